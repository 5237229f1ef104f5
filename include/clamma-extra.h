/* SPDX-License-Identifier: MIT
 *
 * Functions beyond generation: encode and decode tokens, chat, score and embed texts, hash logits,
 * report facts, step one transformer, and save, restore and edit the contents of a session. The
 * conventions of clamma.h apply. Functions that return int return 0 on success, non-zero on
 * failure; the reason of a failure goes to the transformer's log_cb. Functions that fill an array
 * of the caller take its size as `max`, counted in elements.
 */
#ifndef CLAMMA_EXTRA_H
#define CLAMMA_EXTRA_H

#include "clamma.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Like clamma_session_construct(), but also writes the reason of a failure to desc, or an empty
 * text on success. desc may be NULL; desc_max is its size in bytes. Longer text is cut off, and
 * always terminated. */
CLAMMA_EXPORT struct txf_session* clamma_session_construct_desc(const struct txf* txf, char* desc,
                                                                size_t desc_max);

/* Works like clamma_sessions_step_next(), but serves only sessions of this transformer, in turn:
 * returns 1 if it served one, 0 if none has a query. With it, two parts of a program that do not
 * know each other run only their own callbacks, each on its own thread. NULL is allowed and has no
 * sessions. */
CLAMMA_EXPORT int clamma_txf_step_next(const struct txf* txf);

/* Flags of clamma_encode(), combined with |. */
#define CLAMMA_ENCODE_BOS 1u          /* put BOS first */
#define CLAMMA_ENCODE_DUMMY_PREFIX 2u /* put a space before the text, unless it is empty */
#define CLAMMA_ENCODE_EOS 4u          /* put EOS last */
#define CLAMMA_ENCODE_CONTROL 8u      /* names such as "<|im_end|>" become control tokens */

/* Encodes `size` bytes of text, which may be any bytes. Sets *count to the number of tokens, and
 * writes them to tokens (max) if all of them fit. If they do not fit it writes none and still
 * returns 0: compare *count with max. tokens may be NULL if max is 0. Takes O(n log n) time, and
 * about 60 bytes of memory per byte of text while it runs. */
CLAMMA_EXPORT int clamma_encode(const struct txf* txf, const char* text, size_t size,
                                unsigned int flags, tok_id_t* tokens, size_t max, size_t* count);

/* Decodes tokens (count) to exactly the bytes they stand for, which need not be UTF-8. A byte token
 * gives its byte; BOS, EOS and the unknown token give nothing. If the first token is BOS, the space
 * that encoding put before the text is dropped. Sets *size to the number of bytes, and writes them,
 * without a NUL, to text (max) if all of them fit; otherwise it writes none and still returns 0. An
 * id out of range is an error. */
CLAMMA_EXPORT int clamma_decode(const struct txf* txf, const tok_id_t* tokens, size_t count,
                                char* text, size_t max, size_t* size);

/* Writes the text of one token as clamma_decode() does, except that a control token gives its name,
 * such as "<|im_end|>". */
CLAMMA_EXPORT int clamma_token_text(const struct txf* txf, tok_id_t token, char* text, size_t max,
                                    size_t* size);

/* Writes the value of a key of a GGUF model's metadata, such as "general.license": texts as they
 * are; numbers, booleans and arrays as JSON. Sets *size to the number of bytes, and writes the
 * first `max` of them, without a NUL, to `text`. Returns 1, without a message, if there is no such
 * key, or if the model is not a GGUF file. */
CLAMMA_EXPORT int clamma_txf_metadata(const struct txf* txf, const char* key, char* text,
                                      size_t max, size_t* size);

/* --- Chats ---
 *
 * A conversation is a list of messages, which the model's chat template renders as text. The
 * contents of messages are data: no text in them becomes a control token, whatever it looks
 * like. */

typedef struct clamma_message {
  const char* role;          /* "system", "user", "assistant", "tool" ... */
  const char* content;       /* NULL: none. With tool_calls, NULL is the template's `none`, which
                                some templates distinguish from an empty text */
  const char* content_parts; /* in place of content: a JSON array of parts, such as
                                [{"type": "text", "text": "..."}]; NULL: none */
  const char* name;          /* of the speaker, or of the tool; NULL: none */
  const char* reasoning;     /* an assistant's reasoning before its content; NULL: none */
  const char* tool_calls;    /* an assistant's calls: a JSON array in the form that the template
                                expects; NULL: none */
  const char* tool_call_id;  /* in a tool's answer: the call that it answers; NULL: none */
} clamma_message_t;

/* Starts the answer to a conversation of `count` messages. Works like clamma_session_query(), but
 * replaces the session's context by the messages and the text that opens the model's answer. It
 * reads chat_tools, chat_arguments and chat_time of info, and ignores `system` and `prompt`. Works
 * with transformers of any model_type.
 *
 * The part that the context already contains stays there and is not processed again. So pass all
 * messages each time, including the model's answers as the callback received them. An answer keeps
 * the tokens with which it was generated as long as its text, and the text between it and the next
 * control tokens, stays the same. A query that is cancelled or fails before its first token leaves
 * the tokens of the context as they were.
 *
 * For models that answer in channels (gpt-oss), the callback receives the text of "analysis"
 * between "<think>\n" and "\n</think>\n\n", the form that other models write themselves, and then
 * the rest. The names and marks of the channels are not issued. An answer that is passed back as it
 * was received is split again, so that the template gets its reasoning separately.
 *
 * In addition to the reasons of clamma_session_query(), it fails if the model has no chat format,
 * if the template refuses the messages (the reason is the template's own message), or if a JSON
 * text is not valid. */
CLAMMA_EXPORT int clamma_chat_query(struct txf_session* session, const clamma_txf_info_t* info,
                                    const clamma_message_t* messages, size_t count);

/* Renders `count` messages by the chat template. `info` supplies chat_tools, chat_arguments and
 * chat_time, and may be NULL. If `opens_answer` is not 0, the text ends with the text that opens
 * the model's answer, as in a query. Sets *size to the number of bytes, and writes them, without a
 * NUL, to text (max) if all of them fit; otherwise it writes none and still returns 0. */
CLAMMA_EXPORT int clamma_chat_render(const struct txf* txf, const clamma_txf_info_t* info,
                                     const clamma_message_t* messages, size_t count,
                                     int opens_answer, char* text, size_t max, size_t* size);

/* Renders messages likewise, and encodes them as clamma_chat_query() does for an empty session.
 * Sets *n_tokens to the number of tokens, and writes them to tokens (max) if all of them fit;
 * otherwise it writes none and still returns 0. */
CLAMMA_EXPORT int clamma_chat_encode(const struct txf* txf, const clamma_txf_info_t* info,
                                     const clamma_message_t* messages, size_t count,
                                     int opens_answer, tok_id_t* tokens, size_t max,
                                     size_t* n_tokens);

typedef struct clamma_score_t {
  size_t tokens;         /* number of tokens that were scored: all except BOS */
  double log_likelihood; /* sum of the natural logarithms of their probabilities */
  double perplexity;     /* exp(-log_likelihood / tokens) */
} clamma_score_t;

/* Computes how likely a text of `size` bytes (at least 1) is. The text is encoded with BOS and the
 * dummy prefix. logprobs (max), if not NULL, receives the natural logarithms of the probabilities
 * of the first `max` tokens. Fails if the text is longer than the context, if it is a single token,
 * if the model was made for embeddings, or if called from inside a callback. Works in passes over
 * the weights; other threads may step between two passes. */
CLAMMA_EXPORT int clamma_score(const struct txf* txf, const char* text, size_t size,
                               clamma_score_t* score, float* logprobs, size_t max);

/* Computes how likely given tokens (count, at least 2) are, taken as they are: logprobs (count - 1)
 * receives the natural logarithm of the probability of each token but the first, given those
 * before it. If n_top is not 0, top_tokens and top_logprobs (count - 1, n_top) receive the n_top
 * likeliest tokens in its place, likeliest first, ties in order of id, and the logarithms of their
 * probabilities, as a query's logprobs_cb receives them; n_top is at most the vocabulary's size.
 * Fails like clamma_score(); progress_cb, which may be NULL, is called as described below. */
CLAMMA_EXPORT int clamma_score_tokens(const struct txf* txf, const tok_id_t* tokens, size_t count,
                                      float* logprobs, size_t n_top, tok_id_t* top_tokens,
                                      float* top_logprobs, clamma_progress_cb_t progress_cb,
                                      void* opaque_user_pointer);

/* --- Embeddings, and scores of continuations ---
 *
 * These calls work in passes over the weights. Other threads may step between two passes, and
 * progress_cb, if it is not NULL, is called there, on the calling thread, with the number of
 * positions that have been processed, and the number that the call will process in all. It may call
 * every function except those that destroy the transformer. If it returns non-zero, the call fails.
 * The results do not depend on the number of threads, or on what else is in a call or a pass. The
 * calls fail inside the callbacks of a step. */

/* A text, or the tokens of one. Nothing in a text becomes a control token. */
typedef struct clamma_text {
  const char* text;       /* any bytes */
  size_t size;            /* ... and their number */
  const tok_id_t* tokens; /* if not NULL, in place of the text: taken as they are */
  size_t count;           /* ... and their number */
} clamma_text_t;

/* Which of a text's states become its embedding. */
typedef enum clamma_pooling {
  CLAMMA_POOLING_LAST = 0, /* that of the last token */
  CLAMMA_POOLING_MEAN,     /* the mean over all tokens */
  CLAMMA_POOLING_FIRST     /* that of the first token */
} clamma_pooling_t;

typedef struct clamma_embed_facts_t {
  unsigned int dim;         /* number of floats of an embedding */
  clamma_pooling_t pooling; /* as the model's file says, else CLAMMA_POOLING_LAST */
  int made_for_embeddings;  /* 0: the file does not say how to pool, as the model was made to
                               generate texts. Its embeddings may tell texts apart poorly */
  size_t tokens;            /* number of tokens of all texts */
} clamma_embed_facts_t;

/* Flags of clamma_embed(). */
#define CLAMMA_EMBED_RAW 1u /* do not divide embeddings by their Euclidean length */

/* Computes the embeddings of texts (count): the model's states after its last norm, pooled, then
 * divided by their Euclidean length. A text begins with BOS and the dummy prefix and ends with EOS
 * if the vocabulary asks for these. Writes embeddings (count, dim), for which `max` floats must be
 * enough. Fills *facts on success, if facts is not NULL; a call with count 0 only gets the facts.
 * Fails if a text has no tokens, or more than the context has positions. In builds without GGUF the
 * call always fails. */
CLAMMA_EXPORT int clamma_embed(const struct txf* txf, const clamma_text_t* texts, size_t count,
                               unsigned int flags, clamma_progress_cb_t progress_cb,
                               void* opaque_user_pointer, float* embeddings, size_t max,
                               clamma_embed_facts_t* facts);

typedef struct clamma_continuation_score_t {
  size_t tokens;         /* number of tokens of the continuation */
  double log_likelihood; /* sum of the natural logarithms of their probabilities */
  int is_greedy; /* 1: each of its tokens is the likeliest one at its place (of several that are
                    equally likely, the one with the lowest id) */
} clamma_continuation_score_t;

/* Computes how likely each of `count` continuations of a context is, and fills scores (count). The
 * context is processed once. It is encoded with BOS and the dummy prefix, each continuation with
 * neither: so let it begin with the space, if any, that is between the two. The log_likelihood is
 * what clamma_score() finds for the tokens of the continuation after those of the context. Fails if
 * the context or a continuation has no tokens, if both together have more than the model's context
 * has positions, or if the model was made for embeddings. */
CLAMMA_EXPORT int clamma_score_continuations(const struct txf* txf, const clamma_text_t* context,
                                             const clamma_text_t* continuations, size_t count,
                                             clamma_progress_cb_t progress_cb,
                                             void* opaque_user_pointer,
                                             clamma_continuation_score_t* scores);

/* Checks a grammar without starting a query: compiles `grammar`, `regex` or `json_schema` of *info,
 * with the fields that go with it, as a query would. Returns 0 if queries with it can start.
 * Otherwise returns 1, and info->desc receives the reason, with the place or the path in the
 * schema. Fills dropped_constraints as a query does. The other fields of a query may be 0; they are
 * checked as well. Outside arenas the compiled grammar is kept for later queries. Any thread may
 * call it, even inside a callback; other threads may step meanwhile. The transformer must not be
 * destroyed meanwhile. */
CLAMMA_EXPORT int clamma_grammar_check(const struct txf* txf, const clamma_txf_info_t* info);

/* --- Receipts ---
 *
 * The logits of a model are the same on every machine, to the bit, so a hash of them proves that a
 * text was generated by a model as claimed: whoever has the model can compute it again. */

typedef struct clamma_logit_hash {
  uint64_t hash;    /* of the logits from which the token was sampled, and of those of all earlier
                       generated tokens */
  tok_id_t sampled; /* the token that is sampled from these logits */
} clamma_logit_hash_t;

/* Computes for given tokens what the query that generated them computed. `tokens` (count) are a
 * whole context: the n_prompt tokens of a prompt, at least 1, followed by those that the query
 * generated. For each of the latter, hashes (count - n_prompt) receives the hash that the query's
 * logit_hash_cb received, and the token that is sampled behind the given tokens before it. `info`
 * supplies the sampling options of the query and its rng_seed, which may be 0 only if the
 * temperature is 0, and the opaque pointer of progress_cb. progress_cb may be NULL. grammar, regex
 * and json_schema are ignored.
 *
 * The hash is 64-bit FNV-1a over the logits' IEEE bits in the order of the vocabulary, each as 4
 * bytes, the lowest first; NaN counts as 0x7fc00000. It starts with 0xcbf29ce484222325 for the
 * first generated token, and with the hash of the token before it for each other one. It depends on
 * kv_type, but not on threads, batches, instruction set or byte order.
 *
 * The tokens are processed in passes of many positions, with progress_cb as in clamma_embed().
 * Fails if there are more tokens than the context has positions, plus one; if it is cancelled; if
 * the logits are not numbers; or if called from inside a callback of a step. The transformer must
 * not be destroyed meanwhile. */
CLAMMA_EXPORT int clamma_hash_logits(const struct txf* txf, const clamma_txf_info_t* info,
                                     const tok_id_t* tokens, size_t count, size_t n_prompt,
                                     clamma_logit_hash_t* hashes, clamma_progress_cb_t progress_cb);

/* Returns the version of the order of sums: versions of the library that return the same number
 * compute the same logits, to the bit. */
CLAMMA_EXPORT unsigned int clamma_sum_order_version(void);

typedef struct clamma_txf_facts_t {
  unsigned int dim, hidden_dim, layers, heads, kv_heads, head_size, vocab_size, context;
  unsigned int group_size; /* number of int8 weights that share a scale; 0: float weights */
  int shared_classifier;   /* 1: the classifier is the embedding table; 0: it has its own weights */
  const char* format;      /* of the checkpoint, as text */
  const char* kernels;     /* the kernel table in use, as text */
  unsigned int threads;    /* in use, including the caller's */
  unsigned int sessions, max_sessions;
  uint64_t model_bytes;  /* size of the checkpoint */
  uint64_t memory_bytes; /* allocated for the transformer itself, without its sessions, but with the
                            keys and values that several sessions share, or none has any more */
  uint64_t cache_hits, cache_misses, cache_evictions; /* MALLOC_CACHE: numbers of blocks */
  uint64_t cache_bytes;                               /* MALLOC_CACHE: bytes held at present */
  uint64_t cache_limit;                               /* MALLOC_CACHE: in bytes; 0: no limit */
  size_t arena_bytes;                                 /* size of the arena; 0: there is none */
  size_t arena_in_use; /* bytes of it in use at present by the transformer and its sessions */
  size_t arena_peak;   /* the larger of the highest offset in use so far and of what construction
                          asked for: an arena of this size and the same alignment is enough for
                          what was done so far */
  const char* architecture; /* of the model, such as "llama" */
  const char* file_type;    /* the type of its weights, such as "F32" or "Q4_K_M" */
  uint64_t parameters;      /* number of weights */
  double bits_per_weight;   /* on average over all weights, including scales */
  const char* chat_format;  /* "the model's own", or the family, such as "chatml"; NULL: unknown */
  int chat_format_is_guessed;   /* 1: from the vocabulary, because the file has no template */
  const char* warning;          /* what is doubtful about the vocabulary; NULL: nothing */
  tok_id_t bos, eos;            /* -1: there is none */
  unsigned int trained_context; /* positions that the model was trained for; `context` is the number
                                   that sessions have */
  clamma_kv_type_t kv_type;     /* how sessions store keys and values: not CLAMMA_KV_AUTO */
  /* The keys and values of all contexts; those that several contexts share count once. A page has
   * 32 positions. The following are all 0 in builds without a prefix cache. */
  uint64_t kv_pages, kv_bytes;
  uint64_t kv_idle_bytes;       /* of those that no session has any more: see prefix_cache_bytes */
  uint64_t prefix_hits;         /* number of queries that used keys and values of other contexts */
  uint64_t prefix_tokens_saved; /* number of positions that they did not compute for that reason */
  /* The compiled grammars that are held now, for the queries that use them and for later ones. 0 in
   * arenas, where none is shared, and in builds without grammars. memory_bytes includes them. */
  uint64_t grammars, grammar_bytes;
  uint64_t grammars_compiled; /* number of compilations since construction */
} clamma_txf_facts_t;

/* Fills *facts. Its texts are valid until the transformer is destroyed. */
CLAMMA_EXPORT int clamma_txf_facts(const struct txf* txf, clamma_txf_facts_t* facts);

typedef struct clamma_session_facts_t {
  size_t position; /* number of positions of the context in use; the last generated token takes its
                      position with the next query */
  size_t prompt_tokens;    /* number of tokens that the last query added */
  size_t generated_tokens; /* number of tokens that the last query generated */
  uint64_t rng_seed;       /* of the last query */
  uint64_t rng_state; /* as the rng_seed of the next query, continues the random numbers where the
                         last query stopped */
  uint64_t memory_bytes; /* allocated for the session at present, without the keys and values that
                            it shares with others: see clamma_txf_facts_t */
  uint64_t memory_bytes_at_full_context;
  size_t cached_tokens; /* number of positions that the last query took over from other contexts */
} clamma_session_facts_t;

/* Fills *facts. Waits while a step is running, unless called from inside its callback. */
CLAMMA_EXPORT int clamma_session_facts(const struct txf_session* session,
                                       clamma_session_facts_t* facts);

typedef struct clamma_query_facts_t {
  size_t prompt_tokens;    /* number of tokens of the context when the query began, including those
                              that it added */
  size_t cached_tokens;    /* number of these that were already processed */
  size_t generated_tokens; /* as in clamma_session_facts_t */
  double waiting_seconds;  /* from the start of the query until its prompt was first served */
  double prompt_seconds;   /* from then until the prompt was processed */
  double generation_seconds; /* from then until the query ended */
  size_t drafted_tokens;     /* number of tokens that were drafted: see draft_tokens */
  size_t accepted_tokens;    /* number of these that were right, and so took no pass of their own */
} clamma_query_facts_t;

/* Fills *facts for the session's query, or for its last one if none is running; all are 0 if there
 * was none since the session was constructed or restored. A phase that is not over lasts until now.
 * Times include those in which other sessions were served; they are 0 in builds without a clock,
 * or without threads and GGUF. Waits while a step is running, unless called from inside its
 * callback. */
CLAMMA_EXPORT int clamma_query_facts(const struct txf_session* session,
                                     clamma_query_facts_t* facts);

/* Encodes what a query with these texts would add to a session's context: see
 * clamma_session_query(). `opens` is 1 for an empty session, and 0 for a session whose last turn,
 * or text, has ended. Sets *count and writes tokens (max) as clamma_encode() does. */
CLAMMA_EXPORT int clamma_encode_query(const struct txf* txf, const char* system, const char* prompt,
                                      int opens, tok_id_t* tokens, size_t max, size_t* count);

/* Gets the tokens of the session's context: prompts and generated tokens, including BOS and EOS.
 * Sets *count to their number, and writes them to tokens (max) if all of them fit; otherwise it
 * writes none and still returns 0. Waits while a step is running, unless called from inside its
 * callback. */
CLAMMA_EXPORT int clamma_session_get_tokens(const struct txf_session* session, tok_id_t* tokens,
                                            size_t max, size_t* count);

/* Replaces the context of a session that has no query running by tokens (count); count is at most
 * the model's context, and 0 empties it. The tokens that the old and the new context have in common
 * at the beginning stay in the KV cache; the next query processes the rest. Use it to take back
 * turns, to drop old turns, or to build a conversation from elsewhere, at the least cost. */
CLAMMA_EXPORT int clamma_session_set_tokens(struct txf_session* session, const tok_id_t* tokens,
                                            size_t count);

/* Takes all `size` bytes, or supplies exactly that many, and returns 0. Any other return value
 * makes the call that uses the callback fail. The bytes are valid until the callback returns. */
typedef int (*clamma_write_cb_t)(void* opaque_user_pointer, const void* bytes, size_t size);
typedef int (*clamma_read_cb_t)(void* opaque_user_pointer, void* bytes, size_t size);

/* Saves a session that has no query running: its context with the KV cache, the position, and the
 * state of its random number generator, but not the parameters of its last query, such as the limit
 * and the callbacks. The format (docs/formats.md) has a version and a checksum, and is the same on
 * every machine. The callback may call every function except those that change or destroy this
 * session or destroy its transformer. */
CLAMMA_EXPORT int clamma_session_save(const struct txf_session* session, clamma_write_cb_t write_cb,
                                      void* opaque_user_pointer);

/* Restores what clamma_session_save() wrote into a session that has no query running, on a
 * transformer with the same model, vocabulary and kv_type. The session then continues exactly, to
 * the bit, as the saved one would, even in the middle of a text: query it with no prompt, and with
 * rng_state of its facts as rng_seed. Any bytes are safe: data that is damaged or from another
 * model is refused. (If the matrices have more than 4 MiB in total, only some 2000 to 4000 pieces
 * of 1 KiB are compared, so a model that differs in only a few weights may be accepted.) On failure
 * the session is as it was. The call takes the memory of both contexts while it runs. It reads no
 * bytes after the end of the saved session.
 *
 * The callback may call every function except those that change or destroy this session or destroy
 * its transformer: a query, another restore and clamma_session_set_tokens() on this session are
 * refused meanwhile, and neither the session nor its transformer may be destroyed. */
CLAMMA_EXPORT int clamma_session_restore(struct txf_session* session, clamma_read_cb_t read_cb,
                                         void* opaque_user_pointer);

/* Returns the library's version, "major.minor.patch": a constant text. */
CLAMMA_EXPORT const char* clamma_version(void);

#ifdef __cplusplus
}
#endif

#endif /* CLAMMA_EXTRA_H */
