/* SPDX-License-Identifier: MIT
 *
 * dlopen_test LIBRARY: loads the shared library as a plugin's host does, exhausts the memory, and
 * makes the first call on another thread. If a loaded library has thread-local variables, the C
 * library allocates them then, and aborts if it cannot. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int (*step)(void);
static pthread_barrier_t exhausted;
static int served = -1;

static void* call(void* unused) {
  pthread_barrier_wait(&exhausted);
  served = step();
  return unused;
}

int main(int argc, char** argv) {
  void* library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  void* symbol = library == NULL ? NULL : dlsym(library, "clamma_sessions_step_next");
  struct rlimit limit = {400u << 20, 400u << 20};
  pthread_t thread;
  size_t size;

  if (symbol == NULL) {
    fprintf(stderr, "usage: dlopen_test LIBRARY\n");
    return 2;
  }
  memcpy(&step, &symbol, sizeof(step));
  pthread_barrier_init(&exhausted, NULL, 2);
  if (pthread_create(&thread, NULL, call, NULL) != 0) return 3;
  if (setrlimit(RLIMIT_AS, &limit) != 0) return 4;
  for (size = 1u << 20; size >= 16; size /= 2) {
    while (malloc(size) != NULL) continue;
  }
  pthread_barrier_wait(&exhausted);
  pthread_join(thread, NULL);
  return served == 0 ? 0 : 1;
}
