// SPDX-License-Identifier: MIT
// The tokens of a session that have been sampled, but not delivered yet.
#ifndef CLAMMA_ENGINE_PENDING_TOKENS_H_
#define CLAMMA_ENGINE_PENDING_TOKENS_H_

#include <cstddef>
#include <cstdint>

#include "engine/logprobs.h"
#include "engine/sampler.h"
#include "kernels/kernels.h"
#include "platform/features.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// The most drafts of a session that a pass computes: see speculation.h.
inline constexpr size_t kMaxDrafts = kHasSpeculation ? 15 : 0;

struct PendingToken {
  TokenId token = 0;
  // Whether it was sampled behind a draft, the pending token before it, which is in the KV cache.
  [[no_unique_address]] OnlyIf<kHasSpeculation, bool> follows_draft = false;
  // Whether the query's grammar constrains the text behind it.
  [[no_unique_address]] OnlyIf<kHasGrammar, bool> is_constrained = false;
  // The bytes of its text behind the trigger that it completes.
  [[no_unique_address]] OnlyIf<kHasGrammar, size_t> behind_trigger = 0;
  RandomGenerator random_before;  // before it was sampled; restored if it is never delivered
  Logprobs logprobs;              // set if the query asks for them
  [[no_unique_address]] OnlyIf<kHasGguf, uint64_t> logit_hash = 0;  // likewise
};

// A FIFO queue of at most kMax tokens.
class PendingTokens {
 public:
  static constexpr size_t kMax = 1 + kMaxDrafts;  // what a pass samples for a session

  // Allocates memory for the logprobs of the n_top likeliest tokens, for `n_tokens` tokens.
  Status InitLogprobs(Memory& memory, size_t n_top, size_t n_tokens) {
    for (size_t i = 0; i < n_tokens; ++i) {
      CLAMMA_RETURN_IF_ERROR(entries_[i].logprobs.Init(memory, n_top));
    }
    return Status();
  }

  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  const PendingToken& front() const { return entries_[begin_]; }

  // Adds a token, and returns it so that the caller can set the rest. The queue must have fewer
  // than kMax tokens.
  PendingToken& Push(TokenId token, const RandomGenerator& random_before) {
    if (empty()) begin_ = end_ = 0;
    PendingToken& entry = entries_[end_++];
    entry.token = token;
    entry.random_before = random_before;
    entry.follows_draft = false;
    entry.is_constrained = false;
    entry.behind_trigger = 0;
    return entry;
  }
  // Removes the first token and returns it; the reference is valid until the next Push().
  const PendingToken& Pop() { return entries_[begin_++]; }
  void Clear() { begin_ = end_ = 0; }

  // Clears the queue and swaps the memory for logprobs with `other`.
  void SwapRoom(PendingTokens& other) {
    Clear();
    for (size_t i = 0; i < kMax; ++i) entries_[i].logprobs.Swap(other.entries_[i].logprobs);
  }

 private:
  PendingToken entries_[kMax];
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_PENDING_TOKENS_H_
