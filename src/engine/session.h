// SPDX-License-Identifier: MIT
// A session: runs one query at a time on a conversation, token by token.
#ifndef CLAMMA_ENGINE_SESSION_H_
#define CLAMMA_ENGINE_SESSION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/conversation.h"
#include "engine/grammar/constraint_slot.h"
#include "engine/guards.h"
#include "engine/logit_hash.h"
#include "engine/pending_tokens.h"
#include "engine/query.h"
#include "engine/query_record.h"
#include "engine/sampler.h"
#include "engine/session_state.h"
#include "engine/speculation.h"
#include "engine/text_stream.h"
#include "engine/transformer.h"
#include "model/forward.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// The parameters of a function show what its caller must hold: see guards.h.
class Session {
 public:
  explicit Session(Transformer& transformer);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Status Init();

  Transformer& transformer() const { return transformer_; }
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // The errors for an arena that is too small: for a session, or for a query that has just been
  // refused for lack of memory.
  static Status NoRoomInArena(const Transformer& transformer);
  Status NoRoomInArena(SessionHeld held, TurnHeld turn, const Query& query,
                       const PreparedQuery& prepared);

  // A query starts in three steps: Prepare(), Reserve() or ReserveWhole(), and Begin(). A step that
  // fails changes nothing.
  Status Prepare(SessionHeld held, const Query& query, PreparedQuery* prepared);
  // Allocates the memory that the query needs to begin. In an arena, ReserveWhole() allocates all
  // that the query can need.
  Status Reserve(SessionHeld held, LockHeld lock, const Query& query,
                 const PreparedQuery& prepared);
  Status ReserveWhole(SessionHeld held, TurnHeld turn, LockHeld lock, const Query& query,
                      const PreparedQuery& prepared);
  // Starts the query. *prepared gets the lists of the previous query.
  void Begin(SessionHeld held, LockHeld lock, const Query& query, PreparedQuery* prepared);

  // --- The conversation of an idle session ---

  // Replaces the tokens. Those at the beginning that do not change stay in the KV cache.
  Status SetTokens(SessionHeld held, LockHeld lock, const TokenId* tokens, size_t n);
  Status Save(SessionHeld held, const StateSink& sink);
  // Reads a saved conversation, for Adopt().
  Status Load(SessionHeld held, const StateSource& source, Conversation* loaded);
  // Swaps the session's conversation with *loaded.
  void Adopt(SessionHeld held, LockHeld lock, Conversation* loaded);

  // --- A pass over the model: see RunPass() in pass.h ---

  // Whether the next step needs a pass, as nothing of the last one is left to deliver.
  bool NeedsPass(TurnHeld /*held*/) const {
    return outcome_ == Outcome::kNone && pending_.empty() && !IsCancelled();
  }
  // The number of tokens that are not in the KV cache yet: 1, or more while a prompt is left.
  size_t waiting(TurnHeld /*held*/) const { return conversation_.waiting(); }
  // For the functions of prefix_cache.h.
  Conversation& conversation(TurnHeld /*held*/) { return conversation_; }
  // Makes room for `count` of them and fills in their rows. Returns false if memory is short; the
  // next Deliver() then reports the failure.
  bool AddRows(TurnHeld held, size_t count, ForwardRow* rows);
  // Call this after the pass, when the tokens are in the KV cache. Returns false if its type cannot
  // represent their keys and values; the next Deliver() then reports the failure.
  bool Advance(TurnHeld held, size_t count);
  // Call this then, if no token is left waiting: samples the next token from the logits of the last
  // one. Several sessions may do so in parallel, each with its own sampler.
  void Sample(TurnHeld held, const float* logits, Sampler& sampler);

  // Drafts (speculation.h). Before a pass, LookForDrafts() returns how many drafts there are behind
  // the waiting tokens, 0 if the query wants none. If all waiting tokens have got rows,
  // AddDraftRows() may add rows for the first `count` drafts; returns how many it has added.
  // Otherwise call SkipDrafts(). After the pass and Sample(), SampleBehindDrafts() samples from the
  // drafts' logits (n_drafts, vocab_size) as long as the drafts were right.
  size_t LookForDrafts(TurnHeld held);
  const DrafterSlot& drafter(TurnHeld /*held*/) const { return drafter_; }
  size_t AddDraftRows(TurnHeld held, size_t count, ForwardRow* rows);
  void SkipDrafts(TurnHeld /*held*/) { drafter_.Skip(); }
  void SampleBehindDrafts(TurnHeld held, const float* logits, size_t n_drafts, Sampler& sampler);
  // The transformer that computes drafts for the session; nullptr: there is none.
  Transformer* draft_transformer(TurnHeld held) const;
  void DropDraftModel(TurnHeld /*held*/, LockHeld /*lock*/) { drafter_.DropModel(); }

  // Call this if the pass failed. The next Deliver() reports the reason, as the log callback may
  // destroy the session.
  void Fail(TurnHeld held, const Status& status);

  // --- Delivery ---

  enum class Progress { kGoesOn, kEnded, kDestroyed };

  // Delivers the result of the last pass: passes a token's text to the callback. If the query has
  // ended (kEnded), sets *why.
  Progress Deliver(TurnHeld held, Done* why);
  // Call this if a callback of Deliver() will not return: ends the query as if it were cancelled.
  void Abandon(TurnHeld held);
  // Call this if the session is destroyed inside a callback: the step frees it when it ends.
  void DeferDelete(TurnHeld held);
  bool delete_deferred() const { return delete_deferred_; }  // for the thread of the step

  // --- Facts, which change only in a step or under the lock ---

  const Query& query(TurnHeld /*held*/) const { return query_; }
  const Conversation& conversation(TurnHeld /*held*/, LockHeld /*lock*/) const {
    return conversation_;
  }
  // As if no token were pending.
  RandomGenerator random(TurnHeld /*held*/, LockHeld /*lock*/) const {
    return pending_.empty() ? conversation_.random : pending_.front().random_before;
  }
  uint64_t generated(TurnHeld /*held*/, LockHeld /*lock*/) const { return generated_; }
  size_t prompt_tokens(TurnHeld /*held*/, LockHeld /*lock*/) const { return prompt_tokens_; }
  size_t bytes_in_use(TurnHeld /*held*/, LockHeld /*lock*/) const { return BytesInUse(); }
  uint64_t BytesAtFullContext(TurnHeld held, LockHeld lock) const;
  QueryRecord record(TurnHeld /*held*/, LockHeld /*lock*/) const { return record_; }

  // --- For the scheduler ---

  enum class State { kIdle, kBusy, kQueued, kStepping };  // kBusy: in use outside of steps
  struct Listed {
    State state = State::kIdle;
    bool in_step = false;  // a step is working on it, its callbacks included
    Session* next_in_transformer = nullptr;
    Session* next_in_queue = nullptr;
    // The transformer that computes its drafts, and the next session with the same one.
    [[no_unique_address]] OnlyIf<kHasSpeculation, Transformer*> lender = nullptr;
    [[no_unique_address]] OnlyIf<kHasSpeculation, Session*> next_borrower = nullptr;
  };
  Listed& listed(LockHeld /*held*/) { return listed_; }

 private:
  enum class Outcome {
    kNone,      // nothing to deliver but the pending tokens
    kPartDone,  // a part of the prompt is in the KV cache
    kFailed,    // failure_ is the reason
    kComplete,  // the grammar allows no token, and the text may end
  };

  bool IsCancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  size_t BytesInUse() const {
    size_t bytes = sizeof(Session) + memory_.bytes_in_use();
    if constexpr (kHasPrefixCache) bytes += conversation_.kv.bytes_of_pages();
    return bytes;
  }
  void SetFailure(const Status& status);
  Status SampleToken(const float* logits, Sampler& sampler, TokenId* token);
  Status SampleConstrained(const float* logits, const SampledContext& context, Sampler& sampler,
                           TokenId* token);
  size_t MostDrafts() const;
  size_t LookForForced(size_t most);
  Status MakeDraftModel(const Query& query, PreparedQuery* prepared);
  void BeginDrafts(const Query& query, PreparedQuery* prepared);
  // Whether the token behind `previous` is the first of a text.
  [[gnu::always_inline]] bool IsFirst(TokenId previous, uint64_t generated) const {
    const bool answers =
        transformer_.type == ModelType::kChat && generated == 0 && prompt_tokens_ > 0;
    return previous == transformer_.tokenizer.bos() || answers;
  }
  bool StripsSpace(const SampledContext& context) const;
  Progress End(Done why, Done* out);
  Progress EndAt(TokenId token, Done* why);
  Progress EndShown(Done why, Done* out);
  // Whether the query leaves the tokens before it as they are, and adds none.
  bool OnlyContinues() const { return prompt_tokens_ == 0 && displaced_.size() == 0; }
  void StartText(const Query& query);
  bool EndsText(TokenId token) const;
  Status CheckRoom(const Query& query, const PreparedQuery& prepared) const;
  size_t PositionsOf(const Query& query, size_t count) const;
  Progress TellPart();
  Progress DeliverToken(Done* why);
  bool TellLogprobs(const PendingToken& given);
  bool TellLogitHash(const PendingToken& given);
  Progress Emit(const PendingToken& given, TokenId previous, bool* stopped);
  Progress CallIssue(const char* text);
  void RollBack();
  void TellDestroyed();

  Transformer& transformer_;
  Memory memory_;
  Conversation conversation_;  // without the bytes of an unfinished character, which text_ has
  TextStream text_;
  PendingTokens pending_;
  Outcome outcome_ = Outcome::kNone;
  Status failure_;

  Query query_;
  Array<TokenId> stop_tokens_;
  Array<LogitBias> biases_;  // query_.sampling points to it
  [[no_unique_address]] ConstraintSlot constraint_;
  [[no_unique_address]] OnlyIf<kHasGrammar, bool> is_constrained_ = false;  // from its beginning
  [[no_unique_address]] DrafterSlot drafter_;
  // Of the tokens that the query has sampled so far, if it asks for it.
  [[no_unique_address]] OnlyIf<kHasGguf, uint64_t> logit_hash_ = kLogitHashStart;
  uint64_t generated_ = 0;      // the number of tokens that the current or last query generated
  size_t prompt_tokens_ = 0;    // the number of tokens that it added
  size_t n_tokens_before_ = 0;  // of the conversation, before the query
  size_t position_before_ = 0;  // of the conversation, before the query
  size_t n_kept_ = 0;           // how many of the tokens before the query it kept
  Array<TokenId> displaced_;    // ... and the others, for RollBack()
  std::atomic<bool> cancelled_{false};
  bool delete_deferred_ = false;  // see DeferDelete()
  [[no_unique_address]] QueryRecord record_;
  Listed listed_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SESSION_H_
