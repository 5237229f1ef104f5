// SPDX-License-Identifier: MIT
// Natural logarithms of the probabilities that a model gives its next token: of the softmax of its
// logits as they are, before any choice of how to sample.
#ifndef CLAMMA_ENGINE_LOGPROBS_H_
#define CLAMMA_ENGINE_LOGPROBS_H_

#include <cstddef>
#include <cstdint>

#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// ln of the sum of exp(logits), in double, summed in order; infinite where the largest of them is.
double LogSumExp(const float* logits, size_t n);

// The likeliest tokens of one step, and the token that was chosen.
class Logprobs {
 public:
  // Room for the `n_top` likeliest.
  Status Init(Memory& memory, size_t n_top);

  // Of `logits` (n), all finite: `chosen` and the min(n_top, n) likeliest, ties by id.
  void Compute(const float* logits, size_t n, TokenId chosen);

  float chosen() const { return chosen_; }
  size_t n_top() const { return n_top_; }
  const TokenId* top_tokens() const { return tokens_.data(); }    // (n_top), the likeliest first
  const float* top_logprobs() const { return logprobs_.data(); }  // (n_top)

  void Swap(Logprobs& other);

 private:
  struct Candidate {
    float logit;
    TokenId token;
  };
  static bool Before(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  }

  float chosen_ = 0;
  size_t n_top_ = 0;
  Array<Candidate> heap_;
  Array<TokenId> tokens_;
  Array<float> logprobs_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_LOGPROBS_H_
