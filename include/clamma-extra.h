/* SPDX-License-Identifier: MIT
 *
 * Beside generation: tokens, scores and facts. The conventions of clamma.h hold here, too.
 * Functions that return int return 0 on success; else the reason goes to the transformer's log_cb.
 */
#ifndef CLAMMA_EXTRA_H
#define CLAMMA_EXTRA_H

#include "clamma.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What clamma_encode() puts around the text's own tokens; combined by |. */
#define CLAMMA_ENCODE_BOS 1u          /* BOS in front */
#define CLAMMA_ENCODE_DUMMY_PREFIX 2u /* a space before a text that is not empty */
#define CLAMMA_ENCODE_EOS 4u          /* EOS behind */

/* Encodes `size` bytes of text, which may hold any bytes. Sets *count to the number of tokens, and
 * writes them to `tokens` if it has room for all of them (max); else nothing is written, and it
 * returns 0 all the same: compare *count with max. tokens may be NULL if max is 0. Takes O(n log n)
 * time and about 60 bytes of memory a byte of text for the duration of the call. */
CLAMMA_EXPORT int clamma_encode(const struct txf* txf, const char* text, size_t size,
                                unsigned int flags, tok_id_t* tokens, size_t max, size_t* count);

/* Decodes tokens to exactly the bytes they stand for, which need not be UTF-8: byte tokens give
 * their byte, BOS, EOS and the unknown token none, and a space at the very front is dropped if the
 * first token is BOS. Sets *size to the number of bytes, and writes them, without a NUL, to `text`
 * if it has room for all of them (max); else nothing is written. An id out of range is an error. */
CLAMMA_EXPORT int clamma_decode(const struct txf* txf, const tok_id_t* tokens, size_t count,
                                char* text, size_t max, size_t* size);

typedef struct clamma_score_t {
  size_t tokens;         /* tokens that were scored: all but BOS */
  double log_likelihood; /* sum of the natural logarithms of their probabilities */
  double perplexity;     /* exp(-log_likelihood / tokens) */
} clamma_score_t;

/* How likely a text of `size` bytes, at least 1, is, from BOS on, encoded with the dummy prefix.
 * `logprobs`, if not NULL, gets ln p of the first `max` tokens. Fails if the text is longer than
 * the context, or inside a callback; waits while a step is under way. */
CLAMMA_EXPORT int clamma_score(const struct txf* txf, const char* text, size_t size,
                               clamma_score_t* score, float* logprobs, size_t max);

typedef struct clamma_txf_facts_t {
  unsigned int dim, hidden_dim, layers, heads, kv_heads, head_size, vocab_size, context;
  unsigned int group_size; /* int8 weights that share a scale; 0: float weights */
  int shared_classifier;   /* 1: the classifier is the embedding table */
  const char* format;      /* of the checkpoint, as text */
  const char* kernels;     /* the kernel table in use, as text */
  unsigned int threads;    /* in use, the caller's included */
  unsigned int sessions, max_sessions;
  uint64_t model_bytes;  /* of the checkpoint */
  uint64_t memory_bytes; /* allocated for the transformer itself, without its sessions */
  uint64_t cache_hits, cache_misses, cache_evictions; /* MALLOC_CACHE: blocks */
  uint64_t cache_bytes;                               /* held now */
  uint64_t cache_limit;                               /* 0: none */
} clamma_txf_facts_t;

/* Texts are valid as long as the transformer. */
CLAMMA_EXPORT int clamma_txf_facts(const struct txf* txf, clamma_txf_facts_t* facts);

typedef struct clamma_session_facts_t {
  size_t position; /* positions of the context in use; the last token generated takes one with the
                      next query */
  size_t prompt_tokens;    /* that the last query added */
  size_t generated_tokens; /* by the last query */
  uint64_t rng_seed;       /* of the last query */
  uint64_t memory_bytes;   /* allocated for the session now */
  uint64_t memory_bytes_at_full_context;
} clamma_session_facts_t;

/* Waits while a step is under way, unless called from inside its callback. */
CLAMMA_EXPORT int clamma_session_facts(const struct txf_session* session,
                                       clamma_session_facts_t* facts);

/* The library's version, "major.minor.patch". */
CLAMMA_EXPORT const char* clamma_version(void);

#ifdef __cplusplus
}
#endif

#endif /* CLAMMA_EXTRA_H */
