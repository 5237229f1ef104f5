/* SPDX-License-Identifier: MIT
 *
 * libclamma: Llama models on any CPU, embedded by six calls.
 *
 * A transformer (struct txf) binds a model checkpoint to a vocabulary; it is constant and
 * shared. A session (struct txf_session) is a conversation on it, with a context and a state of its
 * own. Any number of sessions, of any transformers, generate at the same time: each call of
 * clamma_sessions_step_next() serves one of them and hands its text to that session's callback.
 *
 *     clamma_txf_info_t info = {0};
 *     info.clamma_api_version = CLAMMA_API_VERSION;
 *     info.checkpoint_path = "stories260K.bin";
 *     info.tokenizer_path = "tok512.bin";
 *     struct txf *txf = clamma_txf_construct(&info);
 *     struct txf_session *session = clamma_session_construct(txf);
 *     info.prompt = "Once upon a time";
 *     info.issue_cb = print_it;
 *     if (!clamma_session_query(session, &info))
 *       while (clamma_sessions_step_next())
 *         ;
 *     clamma_txf_destroy(txf);
 *
 * Conventions
 *
 * Ownership: strings and structs passed in are the caller's and are not kept beyond the call, but
 * for model_base and tokenizer_base (until the transformer is destroyed) and null_on_destroy (until
 * the session is, or has its next query). A query that gives null_on_destroy hands its session
 * over: the library destroys it when the query has ended. Text passed to a callback is the
 * library's and valid during the callback.
 *
 * Errors: nothing aborts, whatever the files, the texts or the arguments hold. A call that fails
 * says so by its value; the reason goes to `desc` of the info it was given, if there is one, and to
 * log_cb. (Of an info with a clamma_api_version that the library does not know, it reads desc and
 * desc_max alone: the reason goes there and to stderr.) The library writes nothing else anywhere.
 *
 * Files: a relative path is looked for in the working directory, then in the model directory: the
 * folder that CLAMMA_MODEL_DIR names in the environment (unless the process has more rights than
 * its user, as setuid gives them), then LIBCLAMMA_MODEL_DIR of the build. Where no vocabulary is
 * named, that of a checkpoint NAME.bin is the first of these with as many tokens as the model:
 * NAME.tokenizer.bin beside the checkpoint, tokenizer.bin beside it, in the working directory, and
 * in the model directory. (A build without files, for bare metal, looks for nothing.)
 *
 * Results: for one model, the same query on a session with the same history gives the same text,
 * whatever the number of threads, the other sessions, model_access, or where the prompt is cut for
 * processing. (The floating-point environment, rounding above all, must be as the system starts a
 * process, on every thread that constructs or steps.)
 *
 * Callbacks return, on the stack on which they were called: they must not throw, longjmp or end
 * their thread. (A step that is left so all the same cancels its query, without a done_cb, and
 * others go on: at once after an exception or the end of the thread, on x86-64 and AArch64 Linux;
 * else when the thread calls the library again.) log_cb runs on the thread whose call failed; it
 * must not make a call that may fail for the same reason.
 *
 * Arenas: with `arena`, nothing is allocated from the system but stacks of threads. The memory is
 * the caller's, at any alignment, one transformer's at a time, untouched by others until that is
 * destroyed, and then free for whatever use; transformers of different arenas, or of none, live
 * side by side. Where it is too small a call fails. The reason of a construction, a new session or
 * a query says how many bytes are needed: with so large an arena the same calls succeed; that of a
 * call that takes memory for its own duration, how many its next step needs. A query takes all
 * memory that it may need when it starts (`limit` tokens behind its prompt, or the whole context
 * where that is 0), so that it never runs out of it later; the memory stays with the session.
 * (Blocks of a malloc cache are taken as they are read, so leave room for cache_limit, or for the
 * weights where that is 0; construction counts it in.) Prompts are processed in smaller pieces
 * where more would take memory that is not little beside the model. A build without a heap (bare
 * metal) needs an arena.
 *
 * Signals: on a CPU with AMX, a construction asks Linux for the tile registers, for the
 * whole process: an alternate signal stack must from then on have sysconf(_SC_MINSIGSTKSZ) bytes.
 * (Where a smaller one is in use, or the environment says CLAMMA_CPU=avx512, they are not used.) A
 * seccomp filter must let arch_prctl() pass or fail, not kill for it.
 *
 * Stack: in an optimised build 64 KB are enough for every function, beside what callbacks take.
 * (The scalar kernels do with 12 to 16 KB: see ports/bare-metal/README.md.)
 *
 * Fork: a child may destroy what was constructed before, use it, by one thread, and construct anew.
 * But a transformer at which another thread was at work, in a step or in clamma_score(), can only
 * be destroyed in the child, which does not give its memory back: other calls fail, and queries on
 * it end without a done_cb. (fork() itself must not be called by a signal handler inside a call.)
 *
 * Threads: in a build with threads, every function may be called from any thread at any time, with
 * these rules:
 *   - a txf or session that is being destroyed may not be in use by another call, but for a step,
 *     whose end the destruction waits for;
 *   - a query on a session in an arena waits while a step is under way;
 *   - one step runs at a time; a second thread in clamma_sessions_step_next() waits for its turn;
 *   - a thread inside a call, or a callback, is not cancelled (pthread_cancel()) before that
 * returns;
 *   - callbacks run on the thread that steps. From inside one, every function may be called, the
 *     destruction of the very session or transformer included, except that
 *     clamma_sessions_step_next() returns 0 and clamma_score() fails;
 *   - a callback must not wait for another thread that is destroying something, asking for facts or
 *     tokens of a session, scoring, or starting a query in an arena: those wait for the step to
 *     end.
 * In a build without threads (LIBCLAMMA_THREADING=OFF) one thread at a time may be in the library,
 * and clamma_sessions_query_cancel() may also come from a signal or interrupt handler.
 */
#ifndef CLAMMA_H
#define CLAMMA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && !defined(_WIN32)
#define CLAMMA_EXPORT __attribute__((visibility("default")))
#else
#define CLAMMA_EXPORT
#endif

/* Goes into clamma_txf_info_t.clamma_api_version; tells the library which fields the caller knows.
 */
#define CLAMMA_API_VERSION 1

/* Begin and end of a text in llama2.c's vocabularies. Those of any model: clamma_txf_facts(). */
#define TOK_BOS 1
#define TOK_EOS 2

#define CLAMMA_ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

struct txf;
struct txf_session;

typedef int tok_id_t;

/* Gets each piece of text as it is generated: NUL-terminated UTF-8, whole characters only, never
 * empty. (Bytes of an unfinished character are held back until it is whole; bytes that are no
 * UTF-8, and NUL, appear as U+FFFD.) Non-zero cancels the query. */
typedef int (*issue_cb_t)(void* opaque_user_pointer, const char* token);

/* Why a query ended. */
typedef enum clamma_done {
  CLAMMA_DONE_END_OF_TEXT = 0,  /* the model ended its text */
  CLAMMA_DONE_LIMIT = 1,        /* `limit` tokens were generated */
  CLAMMA_DONE_CONTEXT_FULL = 2, /* no position is left in the session's context */
  CLAMMA_DONE_STOP_STRING = 3,  /* the text reached one of stop_strings */
  CLAMMA_DONE_CANCELLED = 4,    /* by issue_cb or clamma_sessions_query_cancel() */
  CLAMMA_DONE_ERROR = 5         /* out of memory, unreadable file, damaged weights: see log_cb */
} clamma_done_t;

/* Told once for each query that started, unless its session is destroyed before. The session is
 * idle by then: it may be queried again, or destroyed, from inside. */
typedef void (*clamma_done_cb_t)(void* opaque_user_pointer, clamma_done_t why);

/* Gets, for each token that is generated, its id and the natural logarithm of its probability, and
 * those of the n_top likeliest tokens, the likeliest first, ties by id. Probabilities are the
 * model's own: of the softmax of its logits, before penalties, logit_bias, temperature, top_k,
 * min_p and topp. Called before the token's text is issued, and for a token that ends the text,
 * too. The arrays are the library's and valid during the call. */
typedef void (*clamma_logprobs_cb_t)(void* opaque_user_pointer, tok_id_t token, float logprob,
                                     size_t n_top, const tok_id_t* top_tokens,
                                     const float* top_logprobs);

/* Gets the reason of each failure, one line without a newline. */
typedef void (*clamma_log_cb_t)(void* opaque_user_pointer, const char* message);

/* How the checkpoint is reached. */
typedef enum clamma_model_access {
  CLAMMA_MODEL_ACCESS_MMAP = 0, /* mapped, and shared with other processes (on big-endian machines
                                   copied from there). The files must not be cut short while in
                                   use: the system would raise SIGBUS */
  CLAMMA_MODEL_ACCESS_MALLOC_CACHE, /* read block by block as needed, into at most cache_limit bytes
                                     */
  CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS /* model_size bytes at model_base, read in place (flash);
                                          bytes behind the model are ignored */
} clamma_model_access_t;

typedef enum clamma_model_type {
  CLAMMA_MODEL_GEN = 0, /* continues the text it is given */
  CLAMMA_MODEL_CHAT     /* answers, in the model's chat format: see chat_template */
} clamma_model_type_t;

/* How a session keeps its keys and values. */
typedef enum clamma_kv_type {
  CLAMMA_KV_F32 = 0,
  CLAMMA_KV_F16,  /* half the memory, slightly different results */
  CLAMMA_KV_AUTO, /* F16 for GGUF models, F32 for others */
  CLAMMA_KV_Q8    /* int8, and a float scale for each head of a position: little more than a quarter
                     of F32, results that differ a little more. Builds without GGUF refuse it */
} clamma_kv_type_t;

/* A part of an open file: an asset inside an archive, say. The library uses a descriptor of its own
 * for it: this one may be closed once the call that got it has returned. */
typedef struct clamma_file_part {
  int descriptor;
  uint64_t offset; /* in bytes, any */
  uint64_t length; /* in bytes; 0: all that follows */
} clamma_file_part_t;

typedef struct clamma_logit_bias {
  tok_id_t token;
  float bias;
} clamma_logit_bias_t;

/* What a transformer is made of and what a query asks. Zero it first, then set what is wanted; new
 * fields are added behind these, and 0 always means "as before". */
typedef struct clamma_txf_info {
  /* Read by clamma_txf_construct() */

  unsigned int clamma_api_version; /* CLAMMA_API_VERSION; mandatory */
  const char* checkpoint_path;     /* a GGUF model, or a llama2.c checkpoint: legacy, version 1 or
                                      version 2 (int8). Looked for as "Files" above says. Of a split
                                      GGUF model, any of its files: the others are found beside it */
  const char* tokenizer_path;      /* its vocabulary in llama2.c's format, looked for likewise.
                                      NULL: the one inside a GGUF model, else as "Files" says */
  clamma_model_access_t model_access;
  void* model_base;     /* ABSOLUTE_ADDRESS: where the checkpoint is, at any alignment */
  size_t model_size;    /* ... and its size in bytes */
  size_t cache_limit;   /* MALLOC_CACHE: most bytes of weights held at a time; 0: no limit.
                           The largest tensor must fit */
  unsigned int threads; /* compute threads, the caller's included; 0: all usable cores: what the
                           affinity mask and the container's CPU quota allow.
                           Cut down to what the build allows (`desc` tells) */
  clamma_model_type_t model_type;
  unsigned int max_sessions; /* 0: as many as the build allows */
  char name[32];             /* for messages; "": the checkpoint's file name */
  char* desc;                /* if not NULL: gets the configuration, or the reason of a failure,
                                as text. Written by clamma_session_query(), too */
  size_t desc_max;           /* size of desc in bytes; longer text is cut, always terminated */

  /* Read by clamma_session_query() */

  issue_cb_t issue_cb;       /* NULL: the text is dropped */
  void* opaque_user_pointer; /* for the callbacks */
  const char* system;        /* system prompt, or NULL */
  const char* prompt;        /* see clamma_session_query() */
  size_t limit;              /* most tokens to generate; 0: until the context is full */
  float temperature;         /* 0: always the likeliest token */
  float topp;                /* nucleus sampling: the likeliest tokens that make up this much
                                probability, 0 .. 1; 0: off, and so is 1 */
  uint64_t rng_seed;         /* 0: from the clock; `desc` tells the seed used */
  void** null_on_destroy;    /* if not NULL: the session is handed over. It is destroyed when the
                                query has ended, behind done_cb, unless that has started another
                                query; and *null_on_destroy becomes NULL then, or when it is
                                destroyed before */

  /* Added in the first version of this library */

  clamma_log_cb_t log_cb;     /* construct: for the transformer and all of its sessions. NULL:
                                 stderr. See clamma_log_silent() */
  clamma_done_cb_t done_cb;   /* query */
  const void* tokenizer_base; /* construct: if not NULL, the vocabulary is here, not in a file */
  size_t tokenizer_size;      /* ... and its exact size in bytes */
  clamma_kv_type_t kv_type;   /* construct */
  unsigned int top_k;         /* query: only the so many likeliest tokens; 0: off */
  float min_p;                /* query: only tokens at least min_p times as likely as the likeliest,
                                 0 .. 1; 0: off */
  float repetition_penalty;   /* query: divides the positive logits of tokens that the context holds
                                 and multiplies the negative ones; 0 or 1: off */
  const char* const* stop_strings;  /* query: generation stops before the first of these that the
                                       text reaches: it is not issued, nor is a part of it. Each
                                       UTF-8 and not empty. (It stays in the context, though) */
  size_t stop_string_count;         /* ... and how many they are */
  clamma_logprobs_cb_t logprobs_cb; /* query: if not NULL, is told how likely each token was */
  unsigned int top_logprobs;        /* ... and how many of the likeliest; at most the vocabulary */
  void* arena;       /* construct: if not NULL, all memory of the transformer and of its sessions
                        comes from here: see "Arenas" above */
  size_t arena_size; /* ... and its size in bytes */
  const clamma_file_part_t* checkpoint_part; /* construct: if not NULL, the checkpoint is here, with
                                                MMAP or MALLOC_CACHE, and checkpoint_path is only a
                                                name for messages, or NULL */
  const tok_id_t* stop_tokens; /* query: each of these tokens ends the text, as the model's own ends
                                  do: its text is not issued, and it stays in the context */
  size_t stop_token_count;     /* ... and how many they are */
  const clamma_logit_bias_t* logit_bias; /* query: what is added to logits, finite, behind the
                                            penalties and before temperature */
  size_t logit_bias_count;               /* ... and how many they are */
  float frequency_penalty; /* query: subtracted from a token's logit for each time that this query
                              has generated it; 0: off. But for tokens that end a text */
  float presence_penalty; /* query: subtracted once from the logit of each token that this query has
                             generated; 0: off. Likewise */
  const char* chat_template; /* construct: how chats are written: the text of a Jinja template, the
                                name of one of several in the file, or of a family: see
                                docs/models.md. NULL: the model's own, else its family's; of
                                llama2.c checkpoints Llama 2's */
  const char* pre_tokenizer; /* construct: the rule by which a byte-level vocabulary parts texts, as
                                "llama-bpe". NULL: the one that the file names */
  const char* chat_tools;    /* clamma_chat_query() and what goes with it: the tools that the model
                                may call, a JSON array as the template wants it; NULL: none */
  const char* chat_arguments; /* ... and a JSON object of further values for the template, such as
                                 {"enable_thinking": false}; NULL: none */
  unsigned int context; /* construct: positions of each session's context; 0: as many as the model
                           was trained for. More of them cost memory as they are used, and beyond
                           its training a model may write nonsense */
} clamma_txf_info_t;

/* A log_cb that drops the messages. */
CLAMMA_EXPORT void clamma_log_silent(void* opaque_user_pointer, const char* message);

/* Binds a checkpoint to a vocabulary. NULL on failure. Takes working memory for the model's width,
 * and none for its weights if they are mapped or at an address. */
CLAMMA_EXPORT struct txf* clamma_txf_construct(const clamma_txf_info_t* info);

/* Destroys a transformer and the sessions left on it, whose queries end without a done_cb. NULL is
 * allowed. */
CLAMMA_EXPORT void clamma_txf_destroy(struct txf* txf);

/* A new session with an empty context. NULL where there is no memory or max_sessions exist. Its
 * memory grows with its context. (clamma_session_construct_desc() of clamma-extra.h tells the
 * caller why it failed.) */
CLAMMA_EXPORT struct txf_session* clamma_session_construct(const struct txf* txf);

/* Destroys a session; a query that runs ends without a done_cb. NULL is allowed. */
CLAMMA_EXPORT void clamma_session_destroy(struct txf_session* session);

/* Starts generation. Returns 0 if started; else a reason is given and the session is as it was:
 * it still has a query running, the prompt is longer than what is left of the context, a value is
 * out of range, or memory is short.
 *
 * A session outlives its query, unless that gives null_on_destroy, and a further query continues
 * the conversation: its context stays.
 *
 * GEN: in a new session, or when the text so far has ended (CLAMMA_DONE_END_OF_TEXT), the context
 * gets BOS and the prompt as it is; `system`, if any, goes before it on a line of its own. prompt
 * "" is BOS alone; prompt NULL with no system opens as the original library did, with "\n\n".
 * Otherwise these texts go on where the context stopped, with nothing in between; without any,
 * generation just goes on. Bytes of a character that the last query left unfinished are completed
 * then, and dropped if a text is given.
 *
 * CHAT: the prompt is the user's next turn; `system` counts in the first turn. NULL goes on with an
 * answer that was cut short. No text of these becomes a control token. (clamma_chat_query() of
 * clamma-extra.h takes whole conversations.)
 *
 * The prompt is never echoed. A limit beyond the context ends by CLAMMA_DONE_CONTEXT_FULL. A query
 * that is cancelled or fails before its first token leaves the context as it was. */
CLAMMA_EXPORT int clamma_session_query(struct txf_session* session, const clamma_txf_info_t* info);

/* Serves the next of all sessions with a query: processes part of its prompt, or generates one
 * token and passes its text to issue_cb. Returns 1 if a session was served, 0 if none has a query.
 */
CLAMMA_EXPORT int clamma_sessions_step_next(void);

/* Ends the session's query, if one runs, by CLAMMA_DONE_CANCELLED at its next step: also during the
 * prompt, from inside a callback and from any thread. Returns at once. NULL is allowed. */
CLAMMA_EXPORT void clamma_sessions_query_cancel(struct txf_session* session);

#ifdef __cplusplus
}
#endif

#endif /* CLAMMA_H */
