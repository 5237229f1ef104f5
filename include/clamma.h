/* SPDX-License-Identifier: MIT
 *
 * libclamma: Llama models on any CPU, embedded with six calls.
 *
 * A transformer (struct txf) binds a model checkpoint to a vocabulary. It is constant and can be
 * shared. A session (struct txf_session) is a conversation on a transformer, with its own context
 * and state. Any number of sessions, of any transformers, can generate at the same time: each call
 * of clamma_sessions_step_next() serves one session and passes its text to that session's callback.
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
 * Ownership: the caller owns the strings and structs that it passes in, and the library does not
 * use them after the call returns. There are three exceptions: model_base and tokenizer_base must
 * stay valid until the transformer is destroyed, and null_on_destroy until the session is destroyed
 * or queried again. A query that sets null_on_destroy hands its session over to the library, which
 * destroys it when the query has ended. The library owns the text that it passes to a callback; the
 * text is valid until the callback returns.
 *
 * Errors: nothing aborts, whatever the files, texts or arguments contain. The return value of a
 * call shows that it failed. The reason goes to `desc` of the info passed in, if it is set, and to
 * log_cb. (If the library does not know the info's clamma_api_version, it reads only desc and
 * desc_max, and the reason goes there and to stderr.) The library writes no other output.
 *
 * Files: the library looks for a relative path in the working directory, then in the model
 * directory. The model directory is the folder that the environment variable CLAMMA_MODEL_DIR names
 * (ignored if the process has more rights than its user, for example by setuid), then the folder
 * LIBCLAMMA_MODEL_DIR of the build. If no vocabulary is named, a checkpoint NAME.bin uses the first
 * of these files that has as many tokens as the model: NAME.tokenizer.bin beside the checkpoint,
 * then tokenizer.bin beside the checkpoint, in the working directory, and in the model directory.
 * (A build without files, for bare metal, does not look for any.)
 *
 * Results: with the same model, the same query on a session with the same history produces the same
 * text, whatever the number of threads, the other sessions, model_access, or how the prompt is
 * split for processing. (Every thread that constructs or steps must have the floating-point
 * environment with which the system starts a process, above all its rounding mode.)
 *
 * Callbacks must return normally, on the stack on which they were called: they must not throw,
 * longjmp or end their thread. (If a callback leaves a step in such a way all the same, its query
 * is cancelled without a call of done_cb, and the other queries continue. After an exception or the
 * end of the thread on x86-64 and AArch64 Linux this happens at once; otherwise when the thread
 * calls the library again.) log_cb runs on the thread whose call failed; it must not make a call
 * that may fail for the same reason.
 *
 * Arenas: with `arena`, the library allocates nothing from the system except the stacks of its
 * threads. The caller owns the memory, which may have any alignment. It belongs to one transformer
 * at a time: nothing else may touch it until that transformer is destroyed; then it is free for any
 * use. Transformers with different arenas, or with none, may exist side by side. A call fails if
 * the arena is too small. If a construction, the construction of a session or a query fails, the
 * reason states how many bytes are needed: with an arena of that size the same calls succeed. If a
 * call fails that takes memory only while it runs, the reason states how many bytes its next step
 * needs. A query takes all the memory that it may need when it starts (for `limit` tokens after its
 * prompt, or for the whole context if limit is 0), so it cannot run out of memory later; the
 * session keeps this memory. (Blocks of a malloc cache are allocated when they are read, so leave
 * room for cache_limit, or for all weights if cache_limit is 0; construction includes this in the
 * size that it asks for.) Prompts are processed in smaller pieces if larger ones would take memory
 * that is not small compared with the model. A build without a heap (bare metal) needs an arena.
 *
 * Constrained output: with `grammar`, `regex` or `json_schema`, a query generates only tokens with
 * which its text can still become a match of the grammar, and tokens that end the text only where
 * it is one. Penalties and logit_bias apply before; temperature, top_k, min_p and topp apply to the
 * tokens that are left. The random numbers are the same as without a grammar, and logprobs are
 * those of the model's own logits. Control tokens match no text, only the token terms of GBNF. Stop
 * strings have no effect in the constrained part. If the query ends for another reason, such as its
 * limit, the text is the beginning of a match. Where no token may follow and the vocabulary has
 * none that ends texts, the query ends with CLAMMA_DONE_END_OF_TEXT, too. A query that continues a
 * text begins a new match. The grammar is compiled when the query starts; if it is refused, the
 * reason names the place. Outside arenas it is compiled once for all queries of a transformer, and
 * kept for later ones; clamma_grammar_check() of clamma-extra.h compiles it in advance. Grammars
 * are not trusted: their size and the time and memory that a token takes are bounded, and if a text
 * exceeds the bounds, its query ends with CLAMMA_DONE_ERROR. A grammar takes further memory as its
 * text grows, so in an arena such a query may run out of memory. Builds without GGUF ignore these
 * fields; other builds without grammars refuse the query. docs/constrained-output.md describes the
 * notations and the limits.
 *
 * Shared beginnings: sessions of a transformer whose contexts begin with the same tokens store the
 * keys and values of these tokens once, and compute them once, even if their queries start
 * together. This needs no option, and changes no bit of any result. What sessions have read by
 * clamma_session_restore() is not shared. With prefix_cache_bytes, keys and values stay after the
 * last session that had them is gone, so that later sessions can use them; the least recently used
 * go first. prefix_salt keeps what sessions share among those of the same salt, except for
 * beginnings that are no secret (prefix_open_tokens). Idle pages count as free: they are freed
 * before any allocation fails, even in an arena, where they may leave a gap of less than a page
 * (32 positions) per session. (A build without GGUF shares nothing, nor do sessions in an arena if
 * the model has two sets of rotation factors, as Phi-3 does.)
 *
 * Drafts: with draft_tokens, a pass also computes guesses at the tokens that follow the session's
 * last one, so that it yields several tokens where the guesses are right. Tokens, texts, logprobs
 * and random numbers are the same as without drafts, and so is all that a call or callback can see,
 * except times, sizes of memory and the counts of clamma_query_facts(). Where a grammar leaves no
 * choice, the drafts are the text that it requires. Otherwise they are what draft_txf, a smaller
 * and faster model with the same vocabulary, computes or, without it, what followed the same tokens
 * earlier in the context, which helps where a text quotes or edits another. Drafts take only room
 * in a pass that no session needs otherwise, and are left out where they have recently been wrong
 * too often to be worth their time. draft_txf needs further memory for each session, and is used
 * within the steps of the session's transformer; if it is destroyed before the query ends, the
 * query continues without drafts. Sessions in an arena cannot have a draft_txf. Builds without GGUF
 * or without LIBCLAMMA_WITH_SPECULATION ignore both fields.
 *
 * Signals: on a CPU with AMX, constructing a transformer asks Linux for the tile registers, for the
 * whole process: from then on an alternate signal stack must have at least
 * sysconf(_SC_MINSIGSTKSZ) bytes. (If a smaller one is in use, or if the environment has
 * CLAMMA_CPU=avx512, the library does not use the tile registers.) A seccomp filter must allow
 * arch_prctl() or let it fail; it must not kill the process.
 *
 * Stack: in an optimised build every function needs at most 64 KB of stack, not counting what
 * callbacks use. (The scalar kernels need 12 to 16 KB: see ports/bare-metal/README.md.)
 *
 * Fork: a child process may destroy objects that were constructed before the fork, use them from
 * one thread, and construct others. However, if another thread was using a transformer in a step,
 * in clamma_score(), or in a pass of clamma_score_tokens(), clamma_embed(),
 * clamma_score_continuations() or clamma_hash_logits() at the time of the fork, the child can only
 * destroy that transformer, which does not release its memory: other calls fail, and its queries
 * end without a call of done_cb. (A signal handler must not call fork() if it interrupts a call of
 * the library.)
 *
 * Threads: in a build with threads, any thread may call any function at any time, subject to these
 * rules:
 *   - While a txf or session is being destroyed, no other call may use it. A step is the exception:
 *     the destruction waits until the step ends.
 *   - A query on a session in an arena waits while a step is running.
 *   - One step runs at a time; a second thread in clamma_sessions_step_next() or in
 *     clamma_txf_step_next() waits for its turn.
 *   - A thread inside a call or a callback must not be cancelled by pthread_cancel() before the
 *     call returns.
 *   - Callbacks run on the thread that steps. A callback may call every function, and may even
 *     destroy its own session or transformer; but clamma_sessions_step_next() and
 *     clamma_txf_step_next() return 0 there, and clamma_score(), clamma_score_tokens(),
 *     clamma_embed(), clamma_score_continuations() and clamma_hash_logits() fail.
 *   - A callback must not wait for another thread that destroys something, gets facts or tokens of
 *     a session, scores, embeds, hashes logits, or starts a query in an arena: these calls wait
 *     until the step ends.
 * In a build without threads (LIBCLAMMA_THREADING=OFF) only one thread at a time may call the
 * library. There a signal or interrupt handler may also call clamma_sessions_query_cancel().
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

/* The value for clamma_txf_info_t.clamma_api_version: which fields the caller knows. */
#define CLAMMA_API_VERSION 1

/* The tokens that begin and end a text in llama2.c's vocabularies. clamma_txf_facts() reports those
 * of any model. */
#define TOK_BOS 1
#define TOK_EOS 2

#define CLAMMA_ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

struct txf;
struct txf_session;

typedef int tok_id_t;

/* Receives each piece of text as it is generated: NUL-terminated UTF-8, whole characters only,
 * never empty. (The bytes of an unfinished character are held back until it is complete; bytes that
 * are not valid UTF-8, and NUL, become U+FFFD.) A non-zero return value cancels the query. */
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

/* Called once for each query that started, unless its session is destroyed first. The session is
 * idle by then: the callback may start another query on it or destroy it. */
typedef void (*clamma_done_cb_t)(void* opaque_user_pointer, clamma_done_t why);

/* Receives the id of each generated token and the natural logarithm of its probability; also those
 * of the n_top likeliest tokens, likeliest first, ties in order of id. The probabilities are the
 * softmax of the model's logits, before penalties, logit_bias, temperature, top_k, min_p and topp.
 * Called before the token's text is issued, and also for a token that ends the text. The arrays
 * belong to the library and are valid until the callback returns. */
typedef void (*clamma_logprobs_cb_t)(void* opaque_user_pointer, tok_id_t token, float logprob,
                                     size_t n_top, const tok_id_t* top_tokens,
                                     const float* top_logprobs);

/* Receives the id of each generated token, and a hash of the logits from which it was sampled and
 * of those of all earlier tokens of the query: see clamma_hash_logits() in clamma-extra.h. Called
 * before the token's text is issued, and also for a token that ends the text. */
typedef void (*clamma_logit_hash_cb_t)(void* opaque_user_pointer, tok_id_t token, uint64_t hash);

/* Called after each part of a prompt has been processed, on the thread that steps, at least once
 * per query. `processed` is the number of positions of the context that have been processed,
 * including those that an earlier query left there, and `total` the number that the prompt takes.
 * The call with processed == total comes before the first token is issued. A non-zero return value
 * cancels the query. */
typedef int (*clamma_progress_cb_t)(void* opaque_user_pointer, size_t processed, size_t total);

/* Receives the reason of each failure: one line, without a newline. */
typedef void (*clamma_log_cb_t)(void* opaque_user_pointer, const char* message);

/* How the library reads the checkpoint. */
typedef enum clamma_model_access {
  CLAMMA_MODEL_ACCESS_MMAP = 0, /* mapped, and shared with other processes (big-endian machines copy
                                   the weights from the mapping). The files must not be truncated
                                   while in use: the system would raise SIGBUS */
  CLAMMA_MODEL_ACCESS_MALLOC_CACHE, /* read in blocks as needed, into at most cache_limit bytes */
  CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS /* model_size bytes at model_base, read in place (flash);
                                          bytes after the model are ignored */
} clamma_model_access_t;

typedef enum clamma_model_type {
  CLAMMA_MODEL_GEN = 0, /* continues the text it is given */
  CLAMMA_MODEL_CHAT     /* answers, in the model's chat format: see chat_template */
} clamma_model_type_t;

/* How a session stores its keys and values. */
typedef enum clamma_kv_type {
  CLAMMA_KV_F32 = 0,
  CLAMMA_KV_F16,  /* half the memory, slightly different results */
  CLAMMA_KV_AUTO, /* F16 for GGUF models, F32 for others */
  CLAMMA_KV_Q8    /* int8, and a float scale for each head of a position: little more than a quarter
                     of F32, results that differ a little more. Builds without GGUF refuse it */
} clamma_kv_type_t;

/* A part of an open file, for example an asset inside an archive. The library duplicates the
 * descriptor: the caller may close its own once the call that received it has returned. */
typedef struct clamma_file_part {
  int descriptor;
  uint64_t offset; /* in bytes, need not be aligned */
  uint64_t length; /* in bytes; 0: to the end of the file */
} clamma_file_part_t;

typedef struct clamma_logit_bias {
  tok_id_t token;
  float bias;
} clamma_logit_bias_t;

/* The parameters of a transformer and of a query. Set all of it to zero first, then set the fields
 * you want. Later versions add fields only at the end, and 0 always means "as before". */
typedef struct clamma_txf_info {
  /* Read by clamma_txf_construct() */

  unsigned int clamma_api_version; /* CLAMMA_API_VERSION; mandatory */
  const char* checkpoint_path;     /* a GGUF model, or a llama2.c checkpoint: legacy, version 1 or
                                      version 2 (int8). See "Files" above for where it is looked
                                      for. Of a split GGUF model, name any one of its files: the
                                      library finds the others beside it */
  const char* tokenizer_path;      /* the vocabulary in llama2.c's format, looked for likewise.
                                      NULL: the one inside a GGUF model, else see "Files" above */
  clamma_model_access_t model_access;
  void* model_base;     /* ABSOLUTE_ADDRESS: where the checkpoint is, at any alignment */
  size_t model_size;    /* ... and its size in bytes */
  size_t cache_limit;   /* MALLOC_CACHE: the most bytes of weights held at a time; 0: no limit.
                           The largest tensor must fit */
  unsigned int threads; /* compute threads, including the caller's; 0: all usable cores, as the
                           affinity mask and the container's CPU quota allow. Reduced to what the
                           build allows; `desc` reports the number */
  clamma_model_type_t model_type;
  unsigned int max_sessions; /* 0: as many as the build allows */
  char name[32];             /* for messages; "": the checkpoint's file name */
  char* desc;                /* if not NULL: receives the configuration, or the reason of a failure,
                                as text. clamma_session_query() also writes it */
  size_t desc_max;           /* size of desc in bytes; longer text is cut off, always terminated */

  /* Read by clamma_session_query() */

  issue_cb_t issue_cb;       /* NULL: the text is dropped */
  void* opaque_user_pointer; /* for the callbacks */
  const char* system;        /* system prompt, or NULL */
  const char* prompt;        /* see clamma_session_query() */
  size_t limit;              /* the most tokens to generate; 0: until the context is full */
  float temperature;         /* at least 0; 0: always the likeliest token */
  float topp;                /* nucleus sampling: only the likeliest tokens that together have this
                                probability, 0 .. 1; both 0 and 1: off */
  uint64_t rng_seed;         /* 0: from the clock; `desc` reports the seed used */
  void** null_on_destroy;    /* if not NULL: hands the session over to the library, which destroys
                                it when the query has ended, after done_cb, unless done_cb has
                                started another query. *null_on_destroy becomes NULL when the
                                session is destroyed, also if that happens earlier */

  /* Fields that the original library does not have */

  clamma_log_cb_t log_cb;     /* construct: for the transformer and all of its sessions. NULL:
                                 stderr. See clamma_log_silent() */
  clamma_done_cb_t done_cb;   /* query */
  const void* tokenizer_base; /* construct: if not NULL, the vocabulary is here, not in a file */
  size_t tokenizer_size;      /* ... and its exact size in bytes */
  clamma_kv_type_t kv_type;   /* construct */
  unsigned int top_k;         /* query: only the top_k likeliest tokens; 0: off */
  float min_p;                /* query: only tokens at least min_p times as likely as the likeliest,
                                 0 .. 1; 0: off */
  float repetition_penalty;   /* query: for tokens that the context contains, divides positive
                                 logits and multiplies negative ones; at least 0; 0 or 1: off */
  const char* const* stop_strings;  /* query: generation stops when the text reaches one of these.
                                       No part of the stop string is issued, though it stays in the
                                       context. Each is UTF-8 and not empty */
  size_t stop_string_count;         /* ... and their number */
  clamma_logprobs_cb_t logprobs_cb; /* query: if not NULL, receives how likely each token was */
  unsigned int top_logprobs;        /* ... and the n_top of that callback; at most the vocabulary */
  void* arena;       /* construct: if not NULL, all memory of the transformer and of its sessions
                        comes from here: see "Arenas" above */
  size_t arena_size; /* ... and its size in bytes */
  const clamma_file_part_t* checkpoint_part; /* construct: if not NULL, the checkpoint is here, with
                                                MMAP or MALLOC_CACHE, and checkpoint_path is only a
                                                name for messages, or NULL */
  const tok_id_t* stop_tokens; /* query: each of these tokens ends the text, as the model's own ends
                                  do: its text is not issued, and it stays in the context */
  size_t stop_token_count;     /* ... and their number */
  const clamma_logit_bias_t* logit_bias; /* query: finite values added to logits, after the
                                            penalties and before temperature */
  size_t logit_bias_count;               /* ... and their number */
  float frequency_penalty; /* query: subtracted from a token's logit for each time that this query
                              has generated the token, except for tokens that end a text; finite; 0:
                              off */
  float presence_penalty; /* query: subtracted once from the logit of each token that this query has
                             generated, with the same exception; finite; 0: off */
  const char* chat_template;  /* construct: how chats are written: the text of a Jinja template, the
                                 name of one of several templates in the file, or the name of a
                                 family: see docs/models.md. NULL: the model's own, else its
                                 family's; Llama 2's for llama2.c checkpoints */
  const char* pre_tokenizer;  /* construct: the rule by which a byte-level vocabulary splits texts,
                                 such as "llama-bpe". NULL: the one that the file names */
  const char* chat_tools;     /* clamma_chat_query(), clamma_chat_render(), clamma_chat_encode():
                                 the tools that the model may call, a JSON array in the form that
                                 the template expects; NULL: none */
  const char* chat_arguments; /* likewise: a JSON object of further values for the template, such as
                                 {"enable_thinking": false}; NULL: none */
  unsigned int context; /* construct: positions of each session's context; 0: as many as the model
                           was trained for. A larger context takes memory only as it fills, but
                           beyond the trained length a model may write nonsense */
  clamma_logit_hash_cb_t logit_hash_cb; /* query: if not NULL, receives a hash of each token's
                                           logits. Builds without GGUF never call it */
  const char* grammar; /* query: if not NULL, the query generates only texts that this grammar
                          matches: GBNF, the notation of llama.cpp, with the rule "root". See
                          "Constrained output" above */
  const char* regex;   /* query: likewise, a regular expression that the whole text matches. Only
                          one of grammar, regex and json_schema may be given */
  const char* grammar_trigger; /* query: with one of these: the text is free up to the first
                                  occurrence of these 1 to 256 bytes, and the grammar begins right
                                  after them. NULL or "": it begins at once */
  uint64_t prefix_cache_bytes; /* construct: at most this many bytes of keys and values are kept of
                                  contexts that no session has any more: see "Shared beginnings"
                                  above. 0: none */
  uint64_t prefix_salt;        /* query: the session shares keys and values only with sessions whose
                                  queries have the same salt, so that nobody can tell from times or
                                  facts what the others process. 0 is a salt like any other */
  clamma_progress_cb_t progress_cb; /* query: if not NULL, is told how far the prompt has been
                                       processed. Builds without threads and GGUF ignore it */
  const char* json_schema; /* query: like grammar: the text is a JSON document, without white space,
                              that is valid by this JSON schema (draft 2020-12). Unless
                              json_schema_loose is set, a schema with a constraint that is not
                              supported is refused, and the reason has the constraint's path: see
                              docs/json-schema.md */
  unsigned int draft_tokens;   /* query: the most tokens that are drafted for a pass, 0 .. 15.
                                  0: none. See "Drafts" above */
  const struct txf* draft_txf; /* query: the transformer that computes drafts, with the same
                                  vocabulary as the session's. NULL: drafts are looked up in
                                  the context */
  int json_schema_loose;       /* query: 1: constraints of json_schema, and of the schemas in a
                                  grammar, that are not supported are dropped, and texts may violate
                                  them. 0: they are refused */
  char* dropped_constraints;   /* query: if not NULL, receives the JSON pointers of the constraints
                                  that were dropped, one per line, with a final NUL; "": none was.
                                  What does not fit is left out, whole lines at a time. It is filled
                                  when the call returns, and not used after that */
  size_t dropped_constraints_max;        /* query: size of dropped_constraints in bytes */
  const tok_id_t* grammar_trigger_token; /* query: like grammar_trigger: the text is free up to this
                                            token, and the grammar begins after it. NULL: none.
                                            Only one of the two may be given */
  int grammar_repeats; /* query: with a trigger: 1: when the grammar's text is complete, the text is
                          free again, up to the next trigger. 0: the query ends there */
  const tok_id_t* prefix_open_tokens; /* query: tokens that are no secret, such as those of a system
                                         prompt that all users have: as far as the context begins
                                         like them, the session shares keys and values whatever the
                                         salts are, in whole pages of 32 positions. NULL: none */
  size_t prefix_open_token_count;     /* ... and their number */
  int64_t chat_time; /* clamma_chat_query(), clamma_chat_render(), clamma_chat_encode(): the local
                        time that the template sees, in seconds since 1970-01-01 00:00 of that
                        local time. 0: the clock's */
} clamma_txf_info_t;

/* A log_cb that drops the messages. */
CLAMMA_EXPORT void clamma_log_silent(void* opaque_user_pointer, const char* message);

/* Binds a checkpoint to a vocabulary. Returns NULL on failure. Takes working memory in proportion
 * to the model's width, and none for weights that are mapped or at an address. The caller owns the
 * transformer: see clamma_txf_destroy(). */
CLAMMA_EXPORT struct txf* clamma_txf_construct(const clamma_txf_info_t* info);

/* Destroys a transformer and its remaining sessions, whose queries end without a call of done_cb.
 * NULL is allowed. */
CLAMMA_EXPORT void clamma_txf_destroy(struct txf* txf);

/* Constructs a session with an empty context. Returns NULL if memory is short or the transformer
 * has max_sessions sessions already. A session takes more memory as its context fills. The caller
 * owns it, until it is destroyed or handed over by null_on_destroy. (To receive the reason of a
 * failure, use clamma_session_construct_desc() of clamma-extra.h.) */
CLAMMA_EXPORT struct txf_session* clamma_session_construct(const struct txf* txf);

/* Destroys a session; a running query ends without a call of done_cb. NULL is allowed. */
CLAMMA_EXPORT void clamma_session_destroy(struct txf_session* session);

/* Starts generation. Returns 0 if it started. Otherwise it reports the reason and leaves the
 * session as it was: a query is still running on it, the prompt is longer than the rest of the
 * context, a value is out of range, or memory is short.
 *
 * A session outlives its query, unless the query sets null_on_destroy. It keeps its context, so
 * that another query continues the conversation.
 *
 * GEN: in an empty session, or if the text so far has ended (CLAMMA_DONE_END_OF_TEXT), the context
 * receives BOS and the prompt; `system`, if set, goes before the prompt on a line of its own. With
 * prompt "" the context receives only BOS, and in an empty session the query fails if the
 * vocabulary has none. With prompt NULL and no system it receives BOS and "\n\n", as in the
 * original library. Otherwise these texts continue the context, with nothing in between; if there
 * are none, generation continues. If the previous query left a character unfinished, generation
 * completes it; a query with a text drops it.
 *
 * CHAT: the prompt is the user's next turn; `system` is used only in the first turn. With prompt
 * NULL, the model continues an answer that was cut short. No text in them becomes a control token.
 * (For whole conversations use clamma_chat_query() of clamma-extra.h.)
 *
 * The prompt is never echoed. A query whose limit is larger than the rest of the context may end
 * with CLAMMA_DONE_CONTEXT_FULL. A query that is cancelled or fails before its first token leaves
 * the context as it was. */
CLAMMA_EXPORT int clamma_session_query(struct txf_session* session, const clamma_txf_info_t* info);

/* Serves the next session, in turn, that has a query: processes part of its prompt, or generates
 * one token and passes its text to issue_cb. Returns 1 if it served a session, 0 if no session has
 * a query. */
CLAMMA_EXPORT int clamma_sessions_step_next(void);

/* Makes the session's query, if one is running, end with CLAMMA_DONE_CANCELLED at its next step,
 * also while its prompt is processed. Returns at once. May be called from inside a callback and
 * from any thread. NULL is allowed. */
CLAMMA_EXPORT void clamma_sessions_query_cancel(struct txf_session* session);

#ifdef __cplusplus
}
#endif

#endif /* CLAMMA_H */
