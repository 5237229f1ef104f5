// SPDX-License-Identifier: MIT
// Natural logarithms of the probabilities of the next token: of the softmax of the model's logits,
// before any sampling option is applied.
#ifndef CLAMMA_ENGINE_LOGPROBS_H_
#define CLAMMA_ENGINE_LOGPROBS_H_

#include <cstddef>
#include <cstdint>

#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// Returns ln(sum of exp(logits)), summed in order in double. Infinite if the largest logit is.
double LogSumExp(const float* logits, size_t n);

// Sets *logprob to ln p(token), by logits (n) whose LogSumExp() is `total`. Fails if a number is
// not finite.
Status LogprobOf(const float* logits, double total, TokenId token, float* logprob);

// The likeliest tokens of one step, and the token that was chosen.
class Logprobs {
 public:
  // Allocates memory for the n_top likeliest tokens.
  Status Init(Memory& memory, size_t n_top);

  // Computes the logprobs of `chosen` and of the min(n_top, n) likeliest tokens; ties go to the
  // lower id. `logits` (n) must be finite.
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
