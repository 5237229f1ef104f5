/* SPDX-License-Identifier: MIT
 * bare_metal_refusals MODEL DICTIONARY: uses a library without files and heap on a system that has
 * both. Expects a reason for everything that the library lacks, and that the rest works.
 * bare_metal_test.sh runs it.
 */
#include <clamma-extra.h>
#include <clamma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char desc[512];

/* Ends the program unless construction is refused with a reason that contains these words. */
static void expect_refusal(const clamma_txf_info_t* info, const char* words) {
  desc[0] = '\0';
  struct txf* txf = clamma_txf_construct(info);
  if (txf || !strstr(desc, words)) {
    printf("refusal by \"%s\" expected: \"%s\"\n", words, desc);
    exit(1);
  }
  printf("%s\n", desc);
}

int main(int argc, char** argv) {
  static unsigned char arena[1 << 20], model[1 << 20], dictionary[1 << 16];
  if (argc != 3) return 2;
  FILE* file = fopen(argv[1], "rb");
  const size_t model_size = file ? fread(model, 1, sizeof(model), file) : 0;
  if (file) fclose(file);
  file = fopen(argv[2], "rb");
  const size_t dictionary_size = file ? fread(dictionary, 1, sizeof(dictionary), file) : 0;
  if (file) fclose(file);

  clamma_txf_info_t info = {0};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.desc = desc;
  info.desc_max = sizeof(desc);
  info.checkpoint_path = argv[1];
  info.tokenizer_path = argv[2];
  expect_refusal(&info, "has no heap: give an arena");
  info.arena = arena;
  info.arena_size = sizeof(arena);
  expect_refusal(&info, "this build reads no files");
  info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
  info.cache_limit = 200000;
  expect_refusal(&info, "this build reads no files");
  info.model_access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS;
  info.model_base = model;
  info.model_size = model_size;
  expect_refusal(&info, "this build reads no files");
  info.tokenizer_base = dictionary;
  info.tokenizer_size = dictionary_size;

  struct txf* txf = clamma_txf_construct(&info);
  struct txf_session* session = txf ? clamma_session_construct(txf) : NULL;
  clamma_session_facts_t facts[2];
  for (int i = 0; session && i < 2; ++i) { /* seeds differ even if the clock stands still */
    info.limit = 10;
    info.temperature = 1;
    if (clamma_session_query(session, &info)) break;
    while (clamma_sessions_step_next()) continue;
    if (clamma_session_facts(session, &facts[i])) break;
    if (i == 1 && facts[0].rng_seed != facts[1].rng_seed && facts[1].generated_tokens > 0) {
      clamma_txf_destroy(txf);
      return 0;
    }
  }
  printf("what should work does not: \"%s\"\n", desc);
  return 1;
}
