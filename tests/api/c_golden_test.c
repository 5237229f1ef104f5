/* SPDX-License-Identifier: MIT
 * Generates the golden texts with the C API alone, for systems whose C++ library cannot be linked:
 * with a mapped model, one in memory, and one behind a cache. Prints the kernel table in use, which
 * must be that of CLAMMA_TEST_TABLE if it is set. Exit codes: 0 all texts are equal, 1 a text or
 * the table differs, 77 the test data is missing. */
#include <clamma-extra.h>
#include <clamma.h>
#include <string.h>

#include "c_test_files.h"
#include "goldens.h"

struct text {
  char bytes[8192];
  size_t size;
};

static int append(void* opaque_user_pointer, const char* piece) {
  struct text* text = opaque_user_pointer;
  const size_t size = strlen(piece);
  if (size >= sizeof(text->bytes) - text->size) return 1;
  memcpy(text->bytes + text->size, piece, size + 1);
  text->size += size;
  return 0;
}

/* Generates a text with an open model. Returns 1 if it differs. */
static int ask(struct txf* txf, const struct golden* golden, const char* expected, size_t size) {
  static struct text text;
  clamma_txf_info_t info = {0};
  struct txf_session* session = clamma_session_construct(txf);
  int wrong = session == NULL;

  text.size = 0;
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.prompt = golden->prompt;
  info.limit = 256;
  info.temperature = golden->temperature;
  info.topp = golden->topp;
  info.rng_seed = golden->seed;
  info.issue_cb = append;
  info.opaque_user_pointer = &text;
  if (golden->prompt != NULL) append(&text, golden->prompt); /* the library does not echo it */
  if (!wrong) wrong = clamma_session_query(session, &info);
  while (!wrong && clamma_sessions_step_next()) continue;
  clamma_session_destroy(session);
  return wrong || text.size < size || memcmp(text.bytes, expected, size) != 0;
}

static int check(const struct golden* golden, clamma_model_access_t access) {
  static const char* const names[] = {"mapped", "cached", "at an address"};
  char checkpoint[4096], dictionary[4096], file[4096], name[64], desc[512] = "";
  clamma_txf_info_t info = {0};
  clamma_txf_facts_t facts = {0};
  size_t size = 0;
  unsigned char* expected;
  unsigned char* model = NULL;
  struct txf* txf = NULL;
  int wrong = 1;

  snprintf(name, sizeof(name), "%s.txt", golden->file);
  find_file(file, sizeof(file), "golden", name);
  find_file(checkpoint, sizeof(checkpoint), "models", golden->model);
  find_file(dictionary, sizeof(dictionary), "models", "tok512.bin");
  expected = read_file(file, &size);
  if (expected == NULL || size < 100) {
    fprintf(stderr, "skipped: %s is missing\n", file);
    exit(77);
  }
  if (expected[size - 1] == '\n') --size;
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = checkpoint;
  info.tokenizer_path = dictionary;
  info.model_access = access;
  info.threads = 2;
  info.desc = desc;
  info.desc_max = sizeof(desc);
  if (access == CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS) {
    model = read_file(checkpoint, &info.model_size);
    info.model_base = model;
  }
  txf = clamma_txf_construct(&info);
  if (txf != NULL) wrong = ask(txf, golden, (const char*)expected, size);
  if (txf != NULL && clamma_txf_facts(txf, &facts) == 0) snprintf(name, 64, "%s", facts.kernels);
  if (getenv("CLAMMA_TEST_TABLE") != NULL) wrong |= strcmp(getenv("CLAMMA_TEST_TABLE"), name) != 0;
  printf("%s, %s, %s kernels: %s\n", golden->name, names[access], txf == NULL ? "no" : name,
         wrong ? "WRONG" : "reproduced");
  clamma_txf_destroy(txf);
  free(model);
  free(expected);
  return wrong;
}

int main(void) {
  int wrong = 0;
  size_t i;

  for (i = 0; i < CLAMMA_ARRAY_SIZE(kGoldens); ++i) {
    wrong |= check(&kGoldens[i], CLAMMA_MODEL_ACCESS_MMAP);
    wrong |= check(&kGoldens[i], CLAMMA_MODEL_ACCESS_MALLOC_CACHE);
    wrong |= check(&kGoldens[i], CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS);
  }
  return wrong;
}
