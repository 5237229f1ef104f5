// SPDX-License-Identifier: MIT
// The tokens of a session that were sampled and not handed out yet.
#ifndef CLAMMA_ENGINE_PENDING_TOKENS_H_
#define CLAMMA_ENGINE_PENDING_TOKENS_H_

#include <cstddef>

#include "engine/logprobs.h"
#include "engine/sampler.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

struct PendingToken {
  TokenId token = 0;
  RandomGenerator random_before;  // it was sampled: where the session stands until it is handed out
  Logprobs logprobs;              // of it, where the query wants them
};

// First in, first out.
class PendingTokens {
 public:
  static constexpr size_t kMax = 1;  // a pass samples one token for each session

  // Room for logprobs of the n_top likeliest.
  Status InitLogprobs(Memory& memory, size_t n_top) {
    for (PendingToken& entry : entries_) CLAMMA_RETURN_IF_ERROR(entry.logprobs.Init(memory, n_top));
    return Status();
  }

  bool empty() const { return begin_ == end_; }
  const PendingToken& front() const { return entries_[begin_]; }

  // Adds a token, of which the caller then sets the logprobs. There are fewer than kMax.
  PendingToken& Push(TokenId token, const RandomGenerator& random_before) {
    if (empty()) begin_ = end_ = 0;
    PendingToken& entry = entries_[end_++];
    entry.token = token;
    entry.random_before = random_before;
    return entry;
  }
  // Takes the first one, which stays valid until the next Push().
  const PendingToken& Pop() { return entries_[begin_++]; }
  void Clear() { begin_ = end_ = 0; }

  // Takes the room of another one, and has no token.
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
