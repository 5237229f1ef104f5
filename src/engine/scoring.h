// SPDX-License-Identifier: MIT
// How likely a text is, token by token.
#ifndef CLAMMA_ENGINE_SCORING_H_
#define CLAMMA_ENGINE_SCORING_H_

#include <cstddef>

#include "engine/guards.h"
#include "engine/logprobs.h"
#include "engine/transformer.h"
#include "model/kv_cache.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// Scores tokens[1 .. n). Init() once, then RunPart() until it is done().
class Scoring {
 public:
  // The likeliest tokens in each place, if they are wanted.
  struct Top {
    size_t n = 0;               // of one place, at most the vocabulary's size
    TokenId* tokens = nullptr;  // (n_places, n), the likeliest first
    float* logprobs = nullptr;  // (n_places, n)
  };

  explicit Scoring(Transformer& transformer) : transformer_(transformer) {}

  // `tokens` (n), n >= 2, and `logprobs` (n - 1), which receives ln p(tokens[i + 1] | the tokens
  // before it), must outlive this.
  Status Init(const TokenId* tokens, size_t n, float* logprobs) {
    return Init(tokens, n, logprobs, Top());
  }
  // The same, with the likeliest tokens in the place of each of tokens[1 .. n).
  Status Init(const TokenId* tokens, size_t n, float* logprobs, const Top& top);

  bool done() const { return processed_ == total_; }
  size_t processed() const { return processed_; }  // positions ...
  size_t total() const { return total_; }          // ... of so many
  Status RunPart(TurnHeld held);                   // unless it is done

 private:
  Transformer& transformer_;
  const TokenId* tokens_ = nullptr;
  float* logprobs_ = nullptr;
  Top top_;
  Logprobs likeliest_;
  KvCache kv_;
  size_t processed_ = 0;
  size_t total_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SCORING_H_
