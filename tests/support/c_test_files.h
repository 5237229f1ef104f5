/* SPDX-License-Identifier: MIT
 * Files of the test data, for the tests in C: see test_data.h. */
#ifndef CLAMMA_TESTS_SUPPORT_C_TEST_FILES_H_
#define CLAMMA_TESTS_SUPPORT_C_TEST_FILES_H_

#include <stdio.h>
#include <stdlib.h>

/* Writes the path of FOLDER/NAME if it exists, else that of NAME in the root. */
static void find_file(char* path, size_t size, const char* folder, const char* name) {
  const char* root = getenv("CLAMMA_TEST_DATA");
  FILE* file;
  if (root == NULL || root[0] == '\0') root = CLAMMA_SOURCE_DIR "/../shared";
  snprintf(path, size, "%s/%s/%s", root, folder, name);
  file = fopen(path, "rb");
  if (file == NULL) snprintf(path, size, "%s/%s", root, name);
  if (file != NULL) fclose(file);
}

/* The file's bytes, for the caller to free, with a NUL behind them; NULL where it cannot be read or
 * is empty. */
static unsigned char* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  unsigned char* bytes = NULL;
  long end;
  if (file == NULL) return NULL;
  if (fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) > 0 && fseek(file, 0, SEEK_SET) == 0) {
    *size = (size_t)end;
    bytes = malloc(*size + 1);
    if (bytes != NULL && fread(bytes, 1, *size, file) != *size) {
      free(bytes);
      bytes = NULL;
    }
    if (bytes != NULL) bytes[*size] = '\0';
  }
  fclose(file);
  return bytes;
}

#endif /* CLAMMA_TESTS_SUPPORT_C_TEST_FILES_H_ */
