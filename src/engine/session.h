// SPDX-License-Identifier: MIT
// One conversation on a transformer: its tokens, its KV cache and the query it is at.
#ifndef CLAMMA_ENGINE_SESSION_H_
#define CLAMMA_ENGINE_SESSION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/prompt.h"
#include "engine/sampler.h"
#include "engine/utf8_assembler.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "model/tokenizer.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

class Transformer;

// Why a query ended; values as in clamma.h.
enum class Done : int { kEndOfText = 0, kLimit = 1, kContextFull = 2, kCancelled = 4, kError = 5 };

struct Query {
  PromptTexts texts;
  SamplingOptions sampling;
  uint64_t limit = 0;  // most tokens to generate; 0: until the context is full
  uint64_t seed = 0;
  int (*issue)(void* opaque, const char* text) = nullptr;
  void (*done)(const Query& query, Done why) = nullptr;
  void (*user_done)() = nullptr;  // of whatever type: for `done` to call
  void* opaque = nullptr;
  void** null_on_destroy = nullptr;
};

class Session {
 public:
  explicit Session(Transformer& transformer) : transformer_(transformer) {}
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Status Init();

  // A query comes in two parts, of an idle session. What either refuses changes nothing.
  // Encodes what the query adds to the conversation; takes its time.
  Status EncodeQuery(const Query& query, Array<TokenId>* added, size_t* n_added);
  // Takes the query on. Under the scheduler's mutex, as others may ask for facts.
  Status Begin(const Query& query, const Array<TokenId>& added, size_t n_added);

  // --- A pass over the model, with the turn: see RunPass() in pass.h ---

  // Whether the next step needs a pass: nothing is left to hand out from the last one.
  bool NeedsPass() const { return outcome_ == Outcome::kNone && !IsCancelled(); }
  // Tokens that wait to be fed; more than one while there is a prompt.
  size_t waiting() const { return n_tokens_ - position_; }
  // Makes room for `count` of them and writes their rows; false (and a failure to hand out) where
  // memory is short.
  bool AddRows(size_t count, ForwardRow* rows);
  // After the pass: the tokens are in the context. `logits` of the last one, if none is left
  // waiting.
  void Fed(size_t count, const float* logits);
  // The pass failed, or what it brought is of no use. (The reason is told when it is handed out, as
  // whoever hears it may destroy the session.)
  void Fail(const Status& status);

  // --- Handing out ---

  enum class Progress { kGoesOn, kEnded, kDestroyed };

  // Hands out what the last pass brought: a token's text goes to the callback. On kEnded *why tells
  // the reason.
  Progress Deliver(Done* why);

  // Any thread.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // Destroyed from inside a callback: the caller is done with it now, the step in a moment.
  void Doom() {
    doomed = true;
    TellDestroyed();
  }

  Transformer& transformer() const { return transformer_; }
  const Query& query() const { return query_; }
  size_t position() const { return position_; }      // positions in the KV cache
  uint64_t generated() const { return generated_; }  // tokens, by the current or last query
  size_t prompt_tokens() const { return prompt_tokens_; }
  size_t bytes_in_use() const { return sizeof(Session) + memory_.bytes_in_use(); }
  uint64_t BytesAtFullContext() const;

  // The scheduler's, under its mutex.
  enum class State { kIdle, kStarting, kQueued, kStepping };
  State state = State::kIdle;
  bool in_step = false;  // Deliver() or the done callback is under way
  bool doomed = false;   // see Doom()
  Session* next_in_transformer = nullptr;
  Session* next_in_queue = nullptr;

 private:
  enum class Outcome {
    kNone,     // nothing: a pass is due
    kPartFed,  // a part of the prompt was fed
    kToken,    // token_ was sampled
    kFailed,   // for the reason in failure_
  };

  bool IsCancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  Progress End(Done why, Done* out);
  Progress EndWhole(Done why, Done* out);
  Status ReserveTokens(size_t size);
  Progress DeliverToken(Done* why);
  Progress Emit(TokenId token, TokenId previous);
  Progress CallIssue(const char* text);
  void RollBack();
  void TellDestroyed();

  Transformer& transformer_;
  Memory memory_;
  KvCache kv_;
  Array<TokenId> tokens_;  // the conversation: [0, position_) are in the KV cache, the rest waits
  size_t n_tokens_ = 0;
  size_t position_ = 0;

  Query query_;
  RandomGenerator random_;
  Outcome outcome_ = Outcome::kNone;
  TokenId token_ = 0;
  Status failure_;
  Utf8Assembler utf8_;
  uint64_t generated_ = 0;
  size_t prompt_tokens_ = 0;
  size_t n_tokens_before_ = 0;  // as the query found them
  size_t position_before_ = 0;
  std::atomic<bool> cancelled_{false};
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SESSION_H_
