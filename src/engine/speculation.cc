// SPDX-License-Identifier: MIT
#include "engine/speculation.h"

#include <algorithm>

#include "engine/prompt_lookup.h"

namespace clamma {

void Drafter::Begin(size_t most) {
  most_ = std::min(most, kMaxDrafts);
  for (DraftChance& chance : chances_) chance = DraftChance();
}

size_t Drafter::Look(const TokenId* tokens, size_t n, size_t most, TokenId* drafts) {
  if (model_.get() != nullptr && model_.get()->CanDraft(n)) {
    kind_ = kModel;
    return std::min(most, model_.get()->transformer().config().seq_len - n);
  }
  constexpr size_t kMiddleMatch = 4;
  constexpr size_t kLongMatch = 8;
  const size_t match = LookUp(tokens, n, most, drafts);
  kind_ = match >= kLongMatch ? kLong : match >= kMiddleMatch ? kMiddle : kShort;
  return match == 0 ? 0 : most;
}

size_t Drafter::Take(const SampledContext& context, size_t count, const SamplingOptions& sampling,
                     const RandomGenerator& random, TokenId* drafts) {
  if (kind_ != kModel) return count;
  return model_.get()->Draft(context, count, sampling, random, drafts);
}

}  // namespace clamma
