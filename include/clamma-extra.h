/* SPDX-License-Identifier: MIT
 *
 * Beside generation: tokens, chats, scores, facts, and what a session holds, to save, restore and
 * edit. The conventions of clamma.h hold here, too. Functions that return int return 0 on success;
 * else the reason goes to the transformer's log_cb.
 */
#ifndef CLAMMA_EXTRA_H
#define CLAMMA_EXTRA_H

#include "clamma.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As clamma_session_construct(); desc, if not NULL, gets the reason of a failure, and else an empty
 * text. desc_max is its size in bytes: a longer text is cut, and always terminated. */
CLAMMA_EXPORT struct txf_session* clamma_session_construct_desc(const struct txf* txf, char* desc,
                                                                size_t desc_max);

/* What clamma_encode() puts around the text's own tokens; combined by |. */
#define CLAMMA_ENCODE_BOS 1u          /* BOS in front */
#define CLAMMA_ENCODE_DUMMY_PREFIX 2u /* a space before a text that is not empty */
#define CLAMMA_ENCODE_EOS 4u          /* EOS behind */
#define CLAMMA_ENCODE_CONTROL 8u      /* texts of control tokens, as "<|im_end|>", become these */

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

/* The text of one token: as clamma_decode() gives it, but of control tokens their names, such as
 * "<|im_end|>". As clamma_decode() otherwise. */
CLAMMA_EXPORT int clamma_token_text(const struct txf* txf, tok_id_t token, char* text, size_t max,
                                    size_t* size);

/* The value of a key of a GGUF model's metadata, such as "general.license": texts as they are,
 * numbers, booleans and arrays as JSON. Sets *size to its bytes, and writes them, without a NUL, to
 * `text`: if there is no room for all of them (max), the first of them. Returns 1, without a
 * message, where there is no such key, or the model is no GGUF file. */
CLAMMA_EXPORT int clamma_txf_metadata(const struct txf* txf, const char* key, char* text,
                                      size_t max, size_t* size);

/* --- Chats ---
 *
 * A conversation is a list of messages, which the model's chat template makes a text of. What
 * messages hold is data: no text in them becomes a control token, whatever it looks like. */

typedef struct clamma_message {
  const char* role;          /* "system", "user", "assistant", "tool" ... */
  const char* content;       /* NULL: none; with tool_calls, the template's `none`: there are calls
                                and no text, which some templates tell from an empty one */
  const char* content_parts; /* in place of content: a JSON array of parts, as
                                [{"type": "text", "text": "..."}]; NULL: none */
  const char* name;          /* of who speaks, or of the tool; NULL: none */
  const char* reasoning;     /* what an assistant thought before its content; NULL: none */
  const char* tool_calls;    /* an assistant's, a JSON array as the template wants it; NULL: none */
  const char* tool_call_id;  /* of a tool's answer: which call it answers; NULL: none */
} clamma_message_t;

/* Starts the answer to a conversation: as clamma_session_query(), but the session's context becomes
 * these messages and what opens the model's answer; `system` and `prompt` of info are not read, and
 * chat_tools and chat_arguments are. For transformers of any model_type.
 *
 * What of it the context has already stays there and is not processed again: so give all messages
 * each time, those that the model generated among them, as the callback got them. Answers keep the
 * tokens by which they were generated, as long as their text, and what stands between them and the
 * next control tokens, is the same. A query that is cancelled or fails before its first token
 * leaves the tokens of the context as they were.
 *
 * Of models that answer in channels (gpt-oss), the callback gets what is in "analysis" between
 * "<think>\n" and "\n</think>\n\n", as models with marks for it write it themselves, and then the
 * rest; the channels' names and marks are not issued. An answer that is given back as it came is
 * parted again, so that the template gets its reasoning apart.
 *
 * Fails, beside the reasons of clamma_session_query(), where the model has no chat format, where
 * the template refuses the messages (its own words are the reason), and where JSON is none. */
CLAMMA_EXPORT int clamma_chat_query(struct txf_session* session, const clamma_txf_info_t* info,
                                    const clamma_message_t* messages, size_t count);

/* What the template makes of messages. `info` gives chat_tools and chat_arguments, or is NULL.
 * With `opens_answer` the text ends with what opens the model's answer, as in a query. Sets *size
 * to its bytes, and writes them, without a NUL, to `text` if it has room for all of them (max). */
CLAMMA_EXPORT int clamma_chat_render(const struct txf* txf, const clamma_txf_info_t* info,
                                     const clamma_message_t* messages, size_t count,
                                     int opens_answer, char* text, size_t max, size_t* size);

/* The same as tokens: those of which an empty session's context would consist. Sets *n_tokens, and
 * writes them to `tokens` if it has room for all of them (max). */
CLAMMA_EXPORT int clamma_chat_encode(const struct txf* txf, const clamma_txf_info_t* info,
                                     const clamma_message_t* messages, size_t count,
                                     int opens_answer, tok_id_t* tokens, size_t max,
                                     size_t* n_tokens);

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
  size_t arena_bytes;                                 /* size of the arena; 0: there is none */
  size_t arena_in_use; /* ... of it now, by the transformer and its sessions */
  size_t arena_peak;   /* ... and up to where it ever was in use, or what construction asked for if
                          that is more: a size that would have done, of an arena aligned alike */
  const char* architecture; /* of the model: "llama" */
  const char* file_type;    /* what its weights are: "F32", "Q4_K_M" ... */
  uint64_t parameters;      /* weights, all counted */
  double bits_per_weight;   /* of all of them on average, scales counted */
  const char* chat_format;  /* "the model's own", or of which family: "chatml"; NULL: none known */
  int chat_format_is_guessed;   /* 1: by the vocabulary, as the file has no template */
  const char* warning;          /* what is doubtful about the vocabulary; NULL: nothing */
  tok_id_t bos, eos;            /* -1: there is none */
  unsigned int trained_context; /* positions that the model was trained for; `context` it has */
} clamma_txf_facts_t;

/* Texts are valid as long as the transformer. */
CLAMMA_EXPORT int clamma_txf_facts(const struct txf* txf, clamma_txf_facts_t* facts);

typedef struct clamma_session_facts_t {
  size_t position; /* positions of the context in use; the last token generated takes one with the
                      next query */
  size_t prompt_tokens;    /* that the last query added */
  size_t generated_tokens; /* by the last query */
  uint64_t rng_seed;       /* of the last query */
  uint64_t rng_state;    /* as the next query's rng_seed, goes on with the random numbers where the
                            last query stopped */
  uint64_t memory_bytes; /* allocated for the session now */
  uint64_t memory_bytes_at_full_context;
} clamma_session_facts_t;

/* Waits while a step is under way, unless called from inside its callback. */
CLAMMA_EXPORT int clamma_session_facts(const struct txf_session* session,
                                       clamma_session_facts_t* facts);

/* Encodes what a query with these texts would add to a session's context: see
 * clamma_session_query(). `opens`: 1 for an empty session, 0 for one whose last turn, or text, has
 * ended. As clamma_encode() otherwise. */
CLAMMA_EXPORT int clamma_encode_query(const struct txf* txf, const char* system, const char* prompt,
                                      int opens, tok_id_t* tokens, size_t max, size_t* count);

/* The tokens of the session's context: prompts and what was generated, BOS and EOS among them. Sets
 * *count to their number, and writes them to `tokens` if it has room for all of them (max); else
 * nothing is written. Waits while a step is under way, unless called from inside its callback. */
CLAMMA_EXPORT int clamma_session_get_tokens(const struct txf_session* session, tok_id_t* tokens,
                                            size_t max, size_t* count);

/* Makes the context of a session without a query consist of these tokens, at most as many as the
 * model's context. The longest beginning that it has in common with the present one keeps its place
 * in the KV cache, the rest is processed with the next query: so that turns can be taken back, old
 * ones dropped, and a conversation be built from elsewhere, at the least cost. count 0 empties it.
 */
CLAMMA_EXPORT int clamma_session_set_tokens(struct txf_session* session, const tok_id_t* tokens,
                                            size_t count);

/* Takes all of `size` bytes, or gives exactly that many, and returns 0; anything else ends the call
 * that it serves by a failure. */
typedef int (*clamma_write_cb_t)(void* opaque_user_pointer, const void* bytes, size_t size);
typedef int (*clamma_read_cb_t)(void* opaque_user_pointer, void* bytes, size_t size);

/* Writes what a session without a query holds: its context with the KV cache, the position, and the
 * state of its random generator. Not its last query's limit, callbacks and the like. The format
 * (docs/formats.md) is versioned, checksummed, and the same on every machine. The callback may call
 * everything but what changes or destroys this session or destroys its transformer. */
CLAMMA_EXPORT int clamma_session_save(const struct txf_session* session, clamma_write_cb_t write_cb,
                                      void* opaque_user_pointer);

/* Restores what clamma_session_save() wrote into a session without a query, of a transformer with
 * the same model, vocabulary and kv_type. It goes on from there bit for bit as the saved one would:
 * with no prompt, and rng_state of its facts as rng_seed, also in the middle of a text. Any bytes
 * are safe; what is damaged or of another model is refused. (Of matrices that have more than 4 MiB
 * together only pieces of 1 KiB are compared, some 2000 to 4000 of them, so that a model in which
 * only a few weights differ may pass for it.) On failure the session is as it was; it takes the
 * memory of both contexts for the duration of the call. Reads nothing behind its end.
 *
 * The callback may call everything but what changes or destroys this session or destroys its
 * transformer: a query, another restore and clamma_session_set_tokens() are refused meanwhile, and
 * nothing may be destroyed that is in use. */
CLAMMA_EXPORT int clamma_session_restore(struct txf_session* session, clamma_read_cb_t read_cb,
                                         void* opaque_user_pointer);

/* The library's version, "major.minor.patch". */
CLAMMA_EXPORT const char* clamma_version(void);

#ifdef __cplusplus
}
#endif

#endif /* CLAMMA_EXTRA_H */
