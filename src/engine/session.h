// SPDX-License-Identifier: MIT
// One conversation on a transformer: its tokens, its KV cache and the query it is at.
#ifndef CLAMMA_ENGINE_SESSION_H_
#define CLAMMA_ENGINE_SESSION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "chat/channels.h"
#include "engine/logprobs.h"
#include "engine/prompt.h"
#include "engine/sampler.h"
#include "engine/session_state.h"
#include "engine/stop_strings.h"
#include "engine/utf8_assembler.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

class Transformer;

// Why a query ended; values as in clamma.h.
enum class Done : int {
  kEndOfText = 0,
  kLimit = 1,
  kContextFull = 2,
  kStopString = 3,
  kCancelled = 4,
  kError = 5
};

struct Query {
  PromptTexts texts;
  const ChatRequest* chat = nullptr;  // in place of texts: what the conversation is to consist of
  SamplingOptions sampling;
  uint64_t limit = 0;  // most tokens to generate; 0: until the context is full
  uint64_t seed = 0;
  const char* const* stop_strings = nullptr;  // (n_stop_strings)
  size_t n_stop_strings = 0;
  const TokenId* stop_tokens = nullptr;  // (n_stop_tokens): each ends the text, as an end does
  size_t n_stop_tokens = 0;
  size_t n_top_logprobs = 0;
  int (*issue)(void* opaque, const char* text) = nullptr;
  void (*logprobs)(void* opaque, TokenId token, float logprob, size_t n_top,
                   const TokenId* top_tokens, const float* top_logprobs) = nullptr;
  void (*done)(const Query& query, Done why) = nullptr;
  void (*user_done)() = nullptr;  // of whatever type: for `done` to call
  void* opaque = nullptr;
  void** null_on_destroy = nullptr;
};

// What a query needs, made before it begins.
struct PreparedQuery {
  Array<TokenId> added;  // tokens: n_added
  size_t n_added = 0;
  size_t n_kept = 0;         // of the conversation's tokens, behind which they come
  Array<TokenId> displaced;  // those that come to stand there no more
  StopStrings stops;
  Logprobs logprobs;
  Array<LogitBias> biases;
  Array<TokenId> stop_tokens;
  bool complete = false;  // Prepare() came to its end

  void Free() {
    added.Reset();
    displaced.Reset();
    StopStrings().Swap(stops);
    Logprobs().Swap(logprobs);
    biases.Reset();
    stop_tokens.Reset();
  }
};

class Session {
 public:
  explicit Session(Transformer& transformer);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Status Init();

  // The reasons for which its transformer's arena has no room: for a session, and for the query
  // that it has just refused for want of memory.
  static Status NoRoomInArena(const Transformer& transformer);
  Status NoRoomInArena(const Query& query, const PreparedQuery& prepared) const;

  // A query comes in two parts, of an idle session. What either refuses changes nothing.
  // Encodes what the query adds to the conversation, and copies what it needs; takes its time.
  Status Prepare(const Query& query, PreparedQuery* prepared);
  // Takes the query on. Under the scheduler's mutex, as others may ask for facts; in an arena with
  // the turn, too: there it takes all memory that the query will need.
  Status Begin(const Query& query, PreparedQuery* prepared);

  // --- The conversation of an idle session ---

  // Makes it consist of these tokens; what it shares with the present ones at the front stays in
  // the KV cache. Under the scheduler's mutex.
  Status SetTokens(const TokenId* tokens, size_t n);
  const TokenId* tokens() const { return conversation_.tokens.data(); }  // (n_tokens())
  size_t n_tokens() const { return conversation_.n_tokens; }

  Status Save(const StateSink& sink);
  // Reads a conversation for Adopt().
  Status Load(const StateSource& source, Conversation* loaded);
  // Takes a conversation in place of the present one, which the other gets. Under the scheduler's
  // mutex.
  void Adopt(Conversation* loaded);

  // --- A pass over the model, with the turn: see RunPass() in pass.h ---

  // Whether the next step needs a pass: nothing is left to hand out from the last one.
  bool NeedsPass() const { return outcome_ == Outcome::kNone && !IsCancelled(); }
  // Tokens that are not in the context yet; more than one while there is a prompt.
  size_t waiting() const { return conversation_.n_tokens - conversation_.position; }
  // Makes room for `count` of them and writes their rows; false (and a failure to hand out) where
  // memory is short.
  bool AddRows(size_t count, ForwardRow* rows);
  // After the pass: the tokens are in the context. False (and a failure to hand out) where that
  // cannot hold them.
  bool Advance(size_t count);
  // Then, if none is left waiting: picks the next token by the logits of the last one. Sessions may
  // do so side by side, each with a sampler of its own.
  void Sample(const float* logits, Sampler& sampler);
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

  // A callback of Deliver() was left for good: the query ends as if it had cancelled.
  void Abandon();

  // Destroyed from inside a callback: the caller is done with it now, the step in a moment.
  void DeferDelete() {
    delete_deferred = true;
    TellDestroyed();
  }

  Transformer& transformer() const { return transformer_; }
  const Query& query() const { return query_; }
  size_t position() const { return conversation_.position; }  // positions in the KV cache
  uint64_t generated() const { return generated_; }  // tokens, by the current or last query
  size_t prompt_tokens() const { return prompt_tokens_; }
  uint64_t seed() const { return conversation_.seed; }
  uint64_t rng_state() const { return conversation_.random.state(); }
  size_t bytes_in_use() const { return sizeof(Session) + memory_.bytes_in_use(); }
  uint64_t BytesAtFullContext() const;

  // The scheduler's, under its mutex.
  enum class State { kIdle, kBusy, kQueued, kStepping };  // busy: with something outside of steps
  State state = State::kIdle;
  bool in_step = false;          // Deliver() or the done callback is under way
  bool delete_deferred = false;  // see DeferDelete()
  Session* next_in_transformer = nullptr;
  Session* next_in_queue = nullptr;

 private:
  enum class Outcome {
    kNone,      // nothing: a pass is due
    kPartDone,  // a part of the prompt is in the context
    kToken,     // token_ was sampled
    kFailed,    // for the reason in failure_
  };

  bool IsCancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  Progress End(Done why, Done* out);
  Progress EndShown(Done why, Done* out);
  Status PrepareIn(Memory& scratch, Memory& memory, const Query& query,
                   PreparedQuery* prepared) const;
  Status PrepareTexts(Memory& scratch, const Query& query, PreparedQuery* prepared) const;
  Status PrepareChat(Memory& scratch, Memory& memory, const Query& query,
                     PreparedQuery* prepared) const;
  Status PrepareTokens(Memory& memory, const Query& query, PreparedQuery* prepared) const;
  void StartChannels(const Query& query);
  bool EndsText(TokenId token) const;
  Status CheckRoom(const Query& query, const PreparedQuery& prepared) const;
  size_t PositionsOf(const Query& query, size_t count) const;
  void StartAnewIfNeeded();
  Status ReserveTokens(size_t size);
  size_t TokensFor(size_t size) const;
  Status ReserveWhole(size_t positions);
  Progress DeliverToken(Done* why);
  bool TellLogprobs();
  Progress Emit(TokenId token, TokenId previous, bool* stopped);
  Progress Show(const char* text, bool* stopped);
  Progress CallIssue(const char* text);
  void RollBack();
  void TellDestroyed();

  Transformer& transformer_;
  Memory memory_;
  Conversation conversation_;  // its held bytes are in utf8_

  Query query_;
  StopStrings stops_;
  Array<TokenId> stop_tokens_;
  Array<LogitBias> biases_;        // what query_.sampling refers to
  Logprobs logprobs_;              // of token_, where the query wants them
  RandomGenerator random_before_;  // token_ was sampled
  Outcome outcome_ = Outcome::kNone;
  TokenId token_ = 0;
  Status failure_;
  Utf8Assembler utf8_;
  ChannelReader channels_;
  uint64_t generated_ = 0;
  size_t prompt_tokens_ = 0;
  size_t n_tokens_before_ = 0;  // as the query found them
  size_t position_before_ = 0;
  size_t n_kept_ = 0;         // of those tokens
  Array<TokenId> displaced_;  // ... and the others
  std::atomic<bool> cancelled_{false};
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SESSION_H_
