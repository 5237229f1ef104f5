/* SPDX-License-Identifier: MIT
 * Generates a story on a board without an operating system. The text goes to standard output, the
 * figures of its memory to standard error.
 */
#include <clamma-extra.h>
#include <clamma.h>
#include <stdalign.h>

#include "semihosting.h"
#include "startup.h"

extern const unsigned char model_begin[], model_end[], vocabulary_begin[], vocabulary_end[];

/* For all that the library allocates. It is zeroed at start, so it takes no read-only memory. */
static alignas(64) unsigned char arena[ARENA_SIZE];

static int print_it(void* user, const char* text) {
  (void)user;
  semihosting_write(text);
  return 0;
}

static void complain(void* user, const char* message) {
  (void)user;
  semihosting_write_errors(message);
  semihosting_write_errors("\n");
}

/* "12345 bytes NAME\n" */
static void print_bytes(size_t bytes, const char* name) {
  char digits[21];
  char* p = digits + sizeof(digits) - 1;
  *p = '\0';
  do {
    *--p = (char)('0' + bytes % 10);
    bytes /= 10;
  } while (bytes > 0);
  semihosting_write_errors(p);
  semihosting_write_errors(" bytes ");
  semihosting_write_errors(name);
  semihosting_write_errors("\n");
}

static void print_memory(const struct txf* txf) {
  clamma_txf_facts_t facts;
  if (clamma_txf_facts(txf, &facts) == 0) {
    print_bytes(facts.arena_bytes, "of arena");
    print_bytes(facts.arena_peak, "of it used at most");
  }
  const uint32_t* untouched = stack_bottom;
  while (untouched < stack_top && *untouched == STACK_PAINT) ++untouched;
  print_bytes((size_t)((const char*)stack_top - (const char*)stack_bottom), "of stack");
  print_bytes((size_t)((const char*)stack_top - (const char*)untouched), "of it used at most");
  print_bytes((size_t)((const char*)bss_end - (const char*)stack_bottom), "of RAM in all");
}

int main(void) {
  static char desc[512];
  clamma_txf_info_t info = {0};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.model_access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS;
  info.model_base = (void*)model_begin; /* it is only read */
  info.model_size = (size_t)(model_end - model_begin);
  info.tokenizer_base = vocabulary_begin;
  info.tokenizer_size = (size_t)(vocabulary_end - vocabulary_begin);
  info.arena = arena;
  info.arena_size = sizeof(arena);
  info.max_sessions = 1;
  info.log_cb = complain;
  info.desc = desc;
  info.desc_max = sizeof(desc);
  struct txf* txf = clamma_txf_construct(&info);
  if (!txf) return 1;
  complain(NULL, desc);
  struct txf_session* session = clamma_session_construct(txf);
  if (!session) return 1;

  info.desc = NULL;
  info.issue_cb = print_it;
  info.prompt = ""; /* or the beginning of a story */
  info.limit = 256; /* tokens; the arena must hold as many positions */
  info.temperature = 1.0f;
  info.topp = 0.9f;
  info.rng_seed = 1024; /* without a clock there is no default; a board may use a noise source */
  if (clamma_session_query(session, &info)) return 1;
  while (clamma_sessions_step_next()) continue; /* one token per step */
  semihosting_write("\n");
  print_memory(txf);
  clamma_txf_destroy(txf); /* also destroys the session; then the arena is free */
  return 0;
}
