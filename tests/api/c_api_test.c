/* SPDX-License-Identifier: MIT
 *
 * The public headers in a C11 program: it uses every function, macro, type, field and value once.
 * Exits with 77 ("skipped") if the model is missing.
 */
#include <clamma-extra.h>
#include <clamma.h>
#include <stdio.h>
#include <string.h>

#include "c_test_files.h"

static int failures;

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                               \
    }                                                                           \
  } while (0)

#if !defined(CLAMMA_H) || !defined(CLAMMA_EXTRA_H)
#error "the headers have their include guards"
#endif

_Static_assert(CLAMMA_API_VERSION == 1, "the version of this interface");
_Static_assert(TOK_BOS == 1 && TOK_EOS == 2, "those of llama2.c's vocabularies");
_Static_assert(CLAMMA_DONE_END_OF_TEXT == 0 && CLAMMA_DONE_LIMIT == 1 &&
                   CLAMMA_DONE_CONTEXT_FULL == 2 && CLAMMA_DONE_CANCELLED == 4 &&
                   CLAMMA_DONE_ERROR == 5,
               "values are part of the interface");
_Static_assert(CLAMMA_MODEL_ACCESS_MMAP == 0 && CLAMMA_MODEL_ACCESS_MALLOC_CACHE == 1 &&
                   CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS == 2,
               "values are part of the interface");
_Static_assert(CLAMMA_MODEL_GEN == 0 && CLAMMA_MODEL_CHAT == 1, "values are part of the interface");
_Static_assert(CLAMMA_KV_F32 == 0 && CLAMMA_KV_F16 == 1, "values are part of the interface");
_Static_assert(CLAMMA_ENCODE_BOS == 1u && CLAMMA_ENCODE_DUMMY_PREFIX == 2u &&
                   CLAMMA_ENCODE_EOS == 4u,
               "flags are part of the interface");
_Static_assert(sizeof(tok_id_t) == sizeof(int), "tok_id_t is an int");

/* A program may repeat declarations. */
CLAMMA_EXPORT const char* clamma_version(void);

struct story {
  char text[4096];
  size_t size;
  size_t pieces;
  int ends;
  clamma_done_t why;
  char reason[256];
  uint64_t hashes[12];
  size_t hashed;
};

static int take_text(void* opaque_user_pointer, const char* token) {
  struct story* story = opaque_user_pointer;
  const size_t size = strlen(token);
  if (story->size + size >= sizeof(story->text)) return 1;
  memcpy(story->text + story->size, token, size + 1);
  story->size += size;
  ++story->pieces;
  return 0;
}

static void take_end(void* opaque_user_pointer, clamma_done_t why) {
  struct story* story = opaque_user_pointer;
  ++story->ends;
  story->why = why;
}

static void take_reason(void* opaque_user_pointer, const char* message) {
  struct story* story = opaque_user_pointer;
  snprintf(story->reason, sizeof(story->reason), "%s", message);
}

/* The example at the beginning of clamma.h. */
static int print_it(void* opaque_user_pointer, const char* token) {
  (void)opaque_user_pointer;
  fputs(token, stdout);
  return 0;
}

static void run_minimal_program(const char* checkpoint, const char* dictionary) {
  clamma_txf_info_t info = {0};
  struct txf* txf;
  struct txf_session* session;
  int steps = 0;

  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = checkpoint;
  info.tokenizer_path = dictionary;
  txf = clamma_txf_construct(&info);
  CHECK(txf != NULL);
  if (txf == NULL) return;
  session = clamma_session_construct(txf);
  CHECK(session != NULL);
  info.prompt = "Once upon a time";
  info.issue_cb = print_it;
  if (session != NULL && !clamma_session_query(session, &info))
    while (clamma_sessions_step_next()) ++steps;
  fputc('\n', stdout);
  CHECK(steps > 10);
  clamma_txf_destroy(txf);
}

static void take_hash(void* opaque_user_pointer, tok_id_t token, uint64_t hash) {
  struct story* story = opaque_user_pointer;
  (void)token;
  if (story->hashed < CLAMMA_ARRAY_SIZE(story->hashes)) story->hashes[story->hashed++] = hash;
}

static int goes_too_far(void* opaque_user_pointer, size_t done, size_t total) {
  (void)opaque_user_pointer;
  return done > total;
}

/* Computing the logits of a query's text again gives the query's hashes. */
static void hash_again(const struct txf* txf, const struct txf_session* session,
                       const clamma_txf_info_t* info, const struct story* story) {
  tok_id_t tokens[64];
  clamma_logit_hash_t hashes[12];
  clamma_progress_cb_t progress = goes_too_far;
  size_t count = 0;
  size_t i;

  CHECK(clamma_session_get_tokens(session, tokens, CLAMMA_ARRAY_SIZE(tokens), &count) == 0);
  CHECK(count > story->hashed && count <= CLAMMA_ARRAY_SIZE(tokens) && story->hashed == 12);
  CHECK(clamma_hash_logits(txf, info, tokens, count, count - 12, hashes, progress) == 0);
  for (i = 0; i < 12; ++i) {
    CHECK(hashes[i].hash == story->hashes[i]);
    CHECK(hashes[i].sampled == tokens[count - 12 + i]);
  }
}

static void use_every_field(const char* checkpoint, const char* dictionary) {
  struct clamma_txf_info info;
  struct story story;
  char desc[1024];
  void* handle;
  struct txf* txf;
  struct txf_session* session;
  clamma_session_facts_t facts;
  issue_cb_t on_text = take_text;
  clamma_done_cb_t on_end = take_end;
  clamma_log_cb_t on_reason = take_reason;
  clamma_logit_hash_cb_t on_hash = take_hash;
  clamma_model_access_t access = CLAMMA_MODEL_ACCESS_MMAP;
  clamma_model_type_t type = CLAMMA_MODEL_GEN;
  clamma_kv_type_t kv = CLAMMA_KV_F32;
  enum clamma_model_access cached = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
  enum clamma_model_type chat = CLAMMA_MODEL_CHAT;
  enum clamma_kv_type half = CLAMMA_KV_F16;
  enum clamma_done limit = CLAMMA_DONE_LIMIT;
  int round;

  for (round = 0; round < 2; ++round) {
    memset(&info, 0, sizeof(info));
    memset(&story, 0, sizeof(story));
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.checkpoint_path = checkpoint;
    info.tokenizer_path = dictionary;
    info.model_access = round == 0 ? access : cached;
    info.model_base = NULL;
    info.model_size = 0;
    info.cache_limit = round == 0 ? 0 : (size_t)1 << 20;
    info.threads = 1;
    info.model_type = round == 0 ? type : chat;
    info.max_sessions = 2;
    snprintf(info.name, sizeof(info.name), "%s", "stories");
    info.desc = desc;
    info.desc_max = CLAMMA_ARRAY_SIZE(desc);
    info.log_cb = on_reason;
    info.tokenizer_base = NULL;
    info.tokenizer_size = 0;
    info.kv_type = round == 0 ? kv : half;
    info.opaque_user_pointer = &story;
    desc[0] = '\0';
    txf = clamma_txf_construct(&info);
    CHECK(txf != NULL);
    CHECK(strstr(desc, "stories") != NULL);
    if (txf == NULL) return;
    session = clamma_session_construct(txf);
    CHECK(session != NULL);
    if (session == NULL) return;

    info.issue_cb = on_text;
    info.done_cb = on_end;
    info.system = "A story.";
    info.prompt = "Lily went";
    info.limit = 12;
    info.temperature = 0.8f;
    info.topp = 0.9f;
    info.rng_seed = 42;
    info.top_k = 40;
    info.min_p = 0.01f;
    info.repetition_penalty = 1.1f;
    info.logit_hash_cb = on_hash;
    CHECK(clamma_session_query(session, &info) == 0);
    CHECK(strstr(desc, "42") != NULL);
    while (clamma_sessions_step_next()) continue;
    CHECK(story.ends == 1);
    CHECK(story.why == limit);
    CHECK(story.pieces > 0 && story.pieces <= 12);
    CHECK(clamma_session_facts(session, &facts) == 0);
    CHECK(facts.generated_tokens == 12);
    CHECK(facts.prompt_tokens > 2);
    CHECK(facts.position == facts.prompt_tokens + 11);
    CHECK(facts.rng_seed == 42);
    CHECK(facts.memory_bytes > 0);
    CHECK(facts.memory_bytes_at_full_context > facts.memory_bytes);
    hash_again(txf, session, &info, &story);

    info.limit = 0;
    CHECK(clamma_session_query(session, &info) == 0);
    clamma_sessions_query_cancel(session);
    while (clamma_sessions_step_next()) continue;
    CHECK(story.ends == 2);
    CHECK(story.why == CLAMMA_DONE_CANCELLED);

    info.temperature = -1;
    CHECK(clamma_session_query(session, &info) != 0);
    CHECK(strcmp(story.reason, desc) == 0 && desc[0] != '\0');
    clamma_session_destroy(session);

    /* The session is handed over to its query, and is destroyed when this ends. */
    session = clamma_session_construct_desc(txf, desc, CLAMMA_ARRAY_SIZE(desc));
    CHECK(session != NULL && desc[0] == '\0');
    handle = session;
    info.null_on_destroy = &handle;
    info.temperature = 0;
    info.limit = 3;
    CHECK(clamma_session_query(session, &info) == 0);
    CHECK(handle == session);
    while (clamma_sessions_step_next()) continue;
    CHECK(story.ends == 3);
    CHECK(handle == NULL);
    clamma_txf_destroy(txf);
  }
}

static void use_absolute_address(const char* checkpoint, const char* dictionary) {
  size_t model_size = 0;
  size_t dictionary_size = 0;
  unsigned char* model = read_file(checkpoint, &model_size);
  unsigned char* tokens = read_file(dictionary, &dictionary_size);
  clamma_txf_info_t info = {0};
  struct txf* txf;

  CHECK(model != NULL && tokens != NULL);
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.model_access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS;
  info.model_base = model;
  info.model_size = model_size;
  info.tokenizer_base = tokens;
  info.tokenizer_size = dictionary_size;
  txf = clamma_txf_construct(&info);
  CHECK(txf != NULL);
  clamma_txf_destroy(txf);
  free(tokens);
  free(model);
}

static int is_little_endian(void) {
  const unsigned one = 1;
  return *(const unsigned char*)&one == 1;
}

struct progress {
  size_t calls, processed, total;
};
static int take_progress(void* opaque, size_t processed, size_t total) {
  struct progress* progress = opaque;
  ++progress->calls;
  progress->processed = processed;
  progress->total = total;
  return 0;
}

static void embed_and_score_continuations(const struct txf* txf) {
  static const tok_id_t tokens[] = {TOK_BOS, 300, 400};
  clamma_text_t texts[2] = {{"Once upon a time", 16, NULL, 0}, {NULL, 0, tokens, 3}};
  struct progress progress = {0, 0, 0};
  clamma_progress_cb_t on_progress = take_progress;
  clamma_pooling_t last = CLAMMA_POOLING_LAST;
  clamma_embed_facts_t facts;
  clamma_continuation_score_t scores[2];
  float embeddings[2 * 64];
  double squares = 0;
  size_t i;

  CHECK(clamma_embed(txf, texts, 2, 0, on_progress, &progress, embeddings,
                     CLAMMA_ARRAY_SIZE(embeddings), &facts) == 0);
  CHECK(facts.dim == 64 && facts.pooling == last && facts.made_for_embeddings == 0);
  CHECK(facts.tokens > 3 && progress.calls == 1);
  CHECK(progress.processed == facts.tokens && progress.total == facts.tokens);
  for (i = 64; i < 128; ++i) squares += (double)embeddings[i] * (double)embeddings[i];
  CHECK(squares > 0.999 && squares < 1.001);
  CHECK(clamma_embed(txf, texts, 2, CLAMMA_EMBED_RAW, NULL, NULL, embeddings,
                     CLAMMA_ARRAY_SIZE(embeddings), NULL) == 0);
  CHECK(clamma_score_continuations(txf, &texts[0], &texts[1], 1, NULL, NULL, scores) == 0);
  CHECK(scores[0].tokens == 3 && scores[0].log_likelihood < 0 && scores[0].is_greedy == 0);
}

static void step_one_transformer(const struct txf* txf) {
  clamma_txf_info_t info = {0};
  clamma_query_facts_t facts;
  struct progress progress = {0, 0, 0};
  struct txf_session* session = clamma_session_construct(txf);
  size_t steps = 0;

  info.clamma_api_version = CLAMMA_API_VERSION;
  info.prompt = "Once upon a time";
  info.limit = 5;
  info.progress_cb = take_progress;
  info.opaque_user_pointer = &progress;
  CHECK(clamma_session_query(session, &info) == 0);
  while (clamma_txf_step_next(txf)) ++steps;
  CHECK(steps == 5);
  CHECK(clamma_query_facts(session, &facts) == 0);
  CHECK(facts.prompt_tokens > 2 && facts.cached_tokens == 0 && facts.generated_tokens == 5);
  CHECK(facts.waiting_seconds >= 0 && facts.prompt_seconds >= 0 && facts.generation_seconds >= 0);
  CHECK(progress.calls == 1 && progress.processed == progress.total);
  CHECK(progress.total == facts.prompt_tokens);
  clamma_session_destroy(session);
}

static void use_extras(const char* checkpoint, const char* dictionary) {
  static const char text[] = "Once upon a time, there was a little girl named Lily.";
  const size_t text_size = sizeof(text) - 1;
  clamma_txf_info_t info = {0};
  clamma_txf_facts_t facts;
  clamma_score_t score;
  struct txf* txf;
  tok_id_t tokens[64];
  float logprobs[64];
  char decoded[128];
  size_t count = 0;
  size_t size = 0;
  size_t i;
  double sum = 0;

  CHECK(clamma_version()[0] != '\0');
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = checkpoint;
  info.tokenizer_path = dictionary;
  info.log_cb = clamma_log_silent;
  info.threads = 1;
  txf = clamma_txf_construct(&info);
  CHECK(txf != NULL);
  if (txf == NULL) return;

  CHECK(clamma_encode(txf, text, text_size,
                      CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX | CLAMMA_ENCODE_EOS, NULL, 0,
                      &count) == 0);
  CHECK(count > 3 && count <= CLAMMA_ARRAY_SIZE(tokens));
  CHECK(clamma_encode(txf, text, text_size,
                      CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX | CLAMMA_ENCODE_EOS, tokens,
                      CLAMMA_ARRAY_SIZE(tokens), &count) == 0);
  CHECK(tokens[0] == TOK_BOS && tokens[count - 1] == TOK_EOS);
  CHECK(clamma_decode(txf, tokens, count, decoded, sizeof(decoded), &size) == 0);
  CHECK(size == text_size && memcmp(decoded, text, size) == 0);
  tokens[0] = -1;
  CHECK(clamma_decode(txf, tokens, count, decoded, sizeof(decoded), &size) != 0);

  CHECK(clamma_score(txf, text, text_size, &score, logprobs, CLAMMA_ARRAY_SIZE(logprobs)) == 0);
  CHECK(score.tokens == count - 2);
  for (i = 0; i < score.tokens; ++i) sum += (double)logprobs[i];
  CHECK(score.log_likelihood == sum);
  CHECK(score.log_likelihood < 0);
  CHECK(score.perplexity > 1 && score.perplexity < 10);

  embed_and_score_continuations(txf);
  step_one_transformer(txf);

  CHECK(clamma_txf_facts(txf, &facts) == 0);
  CHECK(facts.dim == 64 && facts.hidden_dim == 172 && facts.layers == 5 && facts.heads == 8);
  CHECK(facts.kv_heads == 4 && facts.head_size == 8 && facts.vocab_size == 512);
  CHECK(facts.context == 512 && facts.group_size == 0 && facts.shared_classifier == 1);
  CHECK(facts.format[0] != '\0' && facts.kernels[0] != '\0');
  CHECK(facts.threads == 1 && facts.sessions == 0 && facts.max_sessions > 0);
  CHECK(facts.model_bytes > 1000000 && facts.memory_bytes > 0);
  CHECK(facts.cache_evictions == 0 && facts.cache_limit == 0);
  CHECK(facts.kv_type == CLAMMA_KV_F32 && clamma_sum_order_version() > 0);
  if (is_little_endian()) { /* otherwise the cache contains converted copies of the weights */
    CHECK(facts.cache_hits == 0 && facts.cache_misses == 0 && facts.cache_bytes == 0);
  } else {
    CHECK(facts.cache_misses > 0 && facts.cache_bytes > 1000000);
  }
  clamma_txf_destroy(txf);
}

int main(void) {
  char checkpoint[4096];
  char dictionary[4096];
  FILE* file;

  find_file(checkpoint, sizeof(checkpoint), "models", "stories260K.bin");
  find_file(dictionary, sizeof(dictionary), "models", "tok512.bin");
  file = fopen(checkpoint, "rb");
  if (file == NULL) {
    fprintf(stderr, "skipped: %s is missing\n", checkpoint);
    return 77;
  }
  fclose(file);
  run_minimal_program(checkpoint, dictionary);
  use_every_field(checkpoint, dictionary);
  use_absolute_address(checkpoint, dictionary);
  use_extras(checkpoint, dictionary);
  clamma_session_destroy(NULL);
  clamma_txf_destroy(NULL);
  clamma_sessions_query_cancel(NULL);
  if (failures == 0) return 0;
  fprintf(stderr, "%d checks failed\n", failures);
  return 1;
}
