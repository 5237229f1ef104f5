// SPDX-License-Identifier: MIT
// The life of a query on a conversation: from its beginning, token by token, to its end.
#ifndef CLAMMA_ENGINE_SESSION_H_
#define CLAMMA_ENGINE_SESSION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/conversation.h"
#include "engine/guards.h"
#include "engine/pending_tokens.h"
#include "engine/query.h"
#include "engine/sampler.h"
#include "engine/session_state.h"
#include "engine/text_stream.h"
#include "engine/transformer.h"
#include "model/forward.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// What its functions need is said by types: see guards.h.
class Session {
 public:
  explicit Session(Transformer& transformer);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Status Init();

  Transformer& transformer() const { return transformer_; }
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // The reasons for which its transformer's arena has no room: for a session, and for the query
  // that it has just refused for want of memory.
  static Status NoRoomInArena(const Transformer& transformer);
  Status NoRoomInArena(SessionHeld held, TurnHeld turn, const Query& query,
                       const PreparedQuery& prepared) const;

  // A query comes in three parts. What one of them refuses changes nothing.
  Status Prepare(SessionHeld held, const Query& query, PreparedQuery* prepared);
  // Takes memory: what the query needs to begin or, in an arena, all that it will need.
  Status Reserve(SessionHeld held, LockHeld lock, const Query& query,
                 const PreparedQuery& prepared);
  Status ReserveWhole(SessionHeld held, TurnHeld turn, LockHeld lock, const Query& query,
                      const PreparedQuery& prepared);
  // Takes the query on.
  void Begin(SessionHeld held, LockHeld lock, const Query& query, PreparedQuery* prepared);

  // --- The conversation of an idle session ---

  // Makes it consist of these tokens; what it shares with the present ones at the front stays in
  // the KV cache.
  Status SetTokens(SessionHeld held, LockHeld lock, const TokenId* tokens, size_t n);
  Status Save(SessionHeld held, const StateSink& sink);
  // Reads a conversation for Adopt().
  Status Load(SessionHeld held, const StateSource& source, Conversation* loaded);
  // Takes a conversation in place of the present one, which the other gets.
  void Adopt(SessionHeld held, LockHeld lock, Conversation* loaded);

  // --- A pass over the model: see RunPass() in pass.h ---

  // Whether the next step needs a pass: nothing is left to hand out from the last one.
  bool NeedsPass(TurnHeld /*held*/) const {
    return outcome_ == Outcome::kNone && pending_.empty() && !IsCancelled();
  }
  // Tokens that are not in the context yet; more than one while there is a prompt.
  size_t waiting(TurnHeld /*held*/) const { return conversation_.waiting(); }
  // Makes room for `count` of them and writes their rows; false (and a failure to hand out) where
  // memory is short.
  bool AddRows(TurnHeld held, size_t count, ForwardRow* rows);
  // After the pass: the tokens are in the context. False (and a failure to hand out) where that
  // cannot hold them.
  bool Advance(TurnHeld held, size_t count);
  // Then, if none is left waiting: picks the next token by the logits of the last one. Sessions may
  // do so side by side, each with a sampler of its own.
  void Sample(TurnHeld held, const float* logits, Sampler& sampler);
  // The pass failed, or what it brought is of no use. (The reason is told when it is handed out, as
  // whoever hears it may destroy the session.)
  void Fail(TurnHeld held, const Status& status);

  // --- Handing out ---

  enum class Progress { kGoesOn, kEnded, kDestroyed };

  // Hands out what the last pass brought: a token's text goes to the callback. On kEnded *why tells
  // the reason.
  Progress Deliver(TurnHeld held, Done* why);
  // A callback of Deliver() was left for good: the query ends as if it had cancelled.
  void Abandon(TurnHeld held);
  // Destroyed from inside a callback: the caller is done with it now, the step in a moment.
  void DeferDelete(TurnHeld held);
  bool delete_deferred() const { return delete_deferred_; }  // for the thread of the step

  // --- Facts, which change in a step, or with the lock ---

  const Query& query(TurnHeld /*held*/) const { return query_; }
  const Conversation& conversation(TurnHeld /*held*/, LockHeld /*lock*/) const {
    return conversation_;
  }
  uint64_t generated(TurnHeld /*held*/, LockHeld /*lock*/) const { return generated_; }
  size_t prompt_tokens(TurnHeld /*held*/, LockHeld /*lock*/) const { return prompt_tokens_; }
  size_t bytes_in_use(TurnHeld /*held*/, LockHeld /*lock*/) const { return BytesInUse(); }
  uint64_t BytesAtFullContext(TurnHeld held, LockHeld lock) const;

  // --- The scheduler's ---

  enum class State { kIdle, kBusy, kQueued, kStepping };  // busy: with something outside of steps
  struct Listed {
    State state = State::kIdle;
    bool in_step = false;  // Deliver() or the done callback is under way
    Session* next_in_transformer = nullptr;
    Session* next_in_queue = nullptr;
  };
  Listed& listed(LockHeld /*held*/) { return listed_; }

 private:
  enum class Outcome {
    kNone,      // of the last pass nothing is left but the tokens that are pending
    kPartDone,  // a part of the prompt is in the context
    kFailed,    // for the reason in failure_
  };

  bool IsCancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  size_t BytesInUse() const { return sizeof(Session) + memory_.bytes_in_use(); }
  void SetFailure(const Status& status);
  Progress End(Done why, Done* out);
  Progress EndShown(Done why, Done* out);
  void StartText(const Query& query);
  bool EndsText(TokenId token) const;
  Status CheckRoom(const Query& query, const PreparedQuery& prepared) const;
  size_t PositionsOf(const Query& query, size_t count) const;
  Progress DeliverToken(Done* why);
  bool TellLogprobs(const PendingToken& given);
  Progress Emit(TokenId token, TokenId previous, bool* stopped);
  Progress CallIssue(const char* text);
  void RollBack();
  void TellDestroyed();

  Transformer& transformer_;
  Memory memory_;
  Conversation conversation_;  // its held bytes are in text_
  TextStream text_;
  PendingTokens pending_;
  Outcome outcome_ = Outcome::kNone;
  Status failure_;

  Query query_;
  Array<TokenId> stop_tokens_;
  Array<LogitBias> biases_;  // what query_.sampling refers to
  uint64_t generated_ = 0;   // tokens, by the current or last query
  size_t prompt_tokens_ = 0;
  size_t n_tokens_before_ = 0;  // as the query found them
  size_t position_before_ = 0;
  size_t n_kept_ = 0;         // of those tokens
  Array<TokenId> displaced_;  // ... and the others
  std::atomic<bool> cancelled_{false};
  bool delete_deferred_ = false;  // see DeferDelete()
  Listed listed_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SESSION_H_
