// SPDX-License-Identifier: MIT
// Computes the logits of a given text again, and what is sampled from them.
#ifndef CLAMMA_ENGINE_FORCED_PASS_H_
#define CLAMMA_ENGINE_FORCED_PASS_H_

#include <cstddef>
#include <cstdint>

#include "engine/guards.h"
#include "engine/logit_hash.h"
#include "engine/sampler.h"
#include "engine/transformer.h"
#include "model/kv_cache.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// What a query computed for a token that it generated.
struct ForcedToken {
  uint64_t hash;    // of its logits and those of all generated tokens before it
  TokenId sampled;  // sampled from its logits
};

// A text whose first tokens are a prompt. Init() once, then RunPart() until it is done().
class ForcedPass {
 public:
  explicit ForcedPass(Transformer& transformer) : transformer_(transformer) {}

  // Checks the arguments, which must outlive this: `tokens` (n) with n_prompt >= 1 of a prompt, the
  // options and the seed with which the others were sampled, and `out` (n - n_prompt).
  Status Init(const TokenId* tokens, size_t n, size_t n_prompt, const SamplingOptions& sampling,
              uint64_t seed, ForcedToken* out);

  bool done() const { return processed_ == total_; }
  // The positions that have been processed, and all that will be. A text beyond the original
  // context of a model with two sets of rotation factors is processed twice.
  size_t processed() const { return processed_; }
  size_t total() const { return total_; }
  Status RunPart(TurnHeld held);  // one pass over the weights, unless it is done

 private:
  void Restart(bool is_long);
  size_t FillRows();
  Status Finish(const ForwardRow& row);

  Transformer& transformer_;
  const TokenId* tokens_ = nullptr;
  size_t n_ = 0;
  size_t n_prompt_ = 0;
  SamplingOptions sampling_;
  ForcedToken* out_ = nullptr;
  KvCache kv_;
  RandomGenerator random_;
  uint64_t hash_ = kLogitHashStart;
  size_t position_ = 0;      // the next one to process
  size_t end_ = 0;           // of the positions to process with the present factors
  size_t first_logits_ = 0;  // the first position whose logits are wanted next
  size_t processed_ = 0;
  size_t total_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_FORCED_PASS_H_
