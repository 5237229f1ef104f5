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

struct PendingToken {
  TokenId token = 0;
  RandomGenerator random_before;  // before it was sampled; restored if it is never delivered
  Logprobs logprobs;              // set if the query asks for them
  [[no_unique_address]] OnlyIf<kHasGguf, uint64_t> logit_hash = 0;  // likewise
};

// A FIFO queue of at most kMax tokens.
class PendingTokens {
 public:
  static constexpr size_t kMax = 1;  // a pass samples one token for each session

  // Allocates memory for the logprobs of the n_top likeliest tokens.
  Status InitLogprobs(Memory& memory, size_t n_top) {
    for (PendingToken& entry : entries_) CLAMMA_RETURN_IF_ERROR(entry.logprobs.Init(memory, n_top));
    return Status();
  }

  bool empty() const { return begin_ == end_; }
  const PendingToken& front() const { return entries_[begin_]; }

  // Adds a token, and returns it so that the caller can set its logprobs. The queue must have fewer
  // than kMax tokens.
  PendingToken& Push(TokenId token, const RandomGenerator& random_before) {
    if (empty()) begin_ = end_ = 0;
    PendingToken& entry = entries_[end_++];
    entry.token = token;
    entry.random_before = random_before;
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
