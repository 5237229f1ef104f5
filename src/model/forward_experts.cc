// SPDX-License-Identifier: MIT
// Mixtures of experts: chooses the feed-forward parts for a position, and mixes their outputs.
//
// The n_experts_used experts with the largest logits of the router are used; if logits are equal,
// those with the lower numbers. Their shares are the softmax of these logits alone, the largest
// first. (This equals the softmax over all experts, renormalised for those in use.) Outputs are
// added in that order, each product rounded, however positions are grouped.
#include <algorithm>
#include <cstring>

#include "model/forward.h"

namespace clamma {

// The number of floats of ExpertBuffers per row.
uint64_t Forward::ExpertFloats() const {
  if (config_.n_experts == 0) return 0;
  const uint64_t used = config_.n_experts_used;
  return config_.n_experts + 3 * used + used * config_.dim;
}

Status Forward::InitExperts(Memory& memory) {
  if (config_.n_experts == 0) return Status();
  const uint64_t choices = uint64_t{max_rows_} * config_.n_experts_used;
  CLAMMA_RETURN_IF_ERROR(experts_.router.Resize(memory, uint64_t{max_rows_} * config_.n_experts));
  CLAMMA_RETURN_IF_ERROR(experts_.choices.Resize(memory, choices));
  CLAMMA_RETURN_IF_ERROR(experts_.places.Resize(memory, choices));
  CLAMMA_RETURN_IF_ERROR(experts_.expert_end.Resize(memory, config_.n_experts));
  return experts_.states.Resize(memory, choices * config_.dim);
}

// Sets `choices` from the router's logits.
void Forward::ChooseExperts(size_t n_rows) {
  const size_t n_experts = config_.n_experts;
  const size_t n_used = config_.n_experts_used;
  float shares[ModelLimits::kMaxExpertsUsed];
  for (size_t r = 0; r < n_rows; ++r) {
    const float* logits = experts_.router.data() + r * n_experts;
    Choice* const chosen = experts_.choices.data() + r * n_used;
    size_t count = 0;
    for (uint32_t expert = 0; expert < n_experts; ++expert) {
      size_t place = count;  // after all that are larger or equal
      while (place > 0 && logits[expert] > chosen[place - 1].share) --place;
      if (place == n_used) continue;
      count = std::min(count + 1, n_used);
      for (size_t i = count - 1; i > place; --i) chosen[i] = chosen[i - 1];
      chosen[place] = {expert, logits[expert]};
    }
    for (size_t i = 0; i < n_used; ++i) shares[i] = chosen[i].share;
    order_->softmax(shares, n_used);
    for (size_t i = 0; i < n_used; ++i) chosen[i].share = shares[i];
  }
}

// Sets `places` and expert_end from `choices`. Within an expert, rows stay in order.
void Forward::SortChoices(size_t n_rows) {
  const size_t n = n_rows * config_.n_experts_used;
  std::fill_n(experts_.expert_end.data(), config_.n_experts, 0u);
  for (size_t i = 0; i < n; ++i) ++experts_.expert_end[experts_.choices[i].expert];
  uint32_t begin = 0;
  for (size_t expert = 0; expert < config_.n_experts; ++expert) {
    const uint32_t count = experts_.expert_end[expert];
    experts_.expert_end[expert] = begin;  // grows to the end in the loop below
    begin += count;
  }
  for (size_t i = 0; i < n; ++i) {
    experts_.places[i] = experts_.expert_end[experts_.choices[i].expert]++;
  }
}

// Applies the experts to x (n_rows, dim), and writes the result to normed_. Each expert in use
// takes all of its rows together, so that its weights are read once.
Status Forward::MixExperts(uint32_t layer, const float* x, size_t n_rows) {
  const size_t dim = config_.dim;
  const size_t n_used = config_.n_experts_used;
  const Linear router[] = {
      {weights_->MatrixPlace(TensorId::kRouter, layer), experts_.router.data()}};
  CLAMMA_RETURN_IF_ERROR(Apply(router, x, n_rows));
  AddBias(TensorId::kRouterBias, layer, experts_.router.data(), n_rows, config_.n_experts);
  ChooseExperts(n_rows);
  SortChoices(n_rows);
  ForEachRows(n_rows, n_used * dim, [&](size_t first, size_t n) {
    for (size_t i = first * n_used; i < (first + n) * n_used; ++i) {
      std::memcpy(&experts_.states[experts_.places[i] * dim], x + i / n_used * dim, dim * 4);
    }
  });
  size_t begin = 0;
  for (uint32_t expert = 0; expert < config_.n_experts; ++expert) {
    const size_t end = experts_.expert_end[expert];
    if (begin == end) continue;
    float* const states = &experts_.states[begin * dim];
    CLAMMA_RETURN_IF_ERROR(FeedForward(kExpert, layer * config_.n_experts + expert, states,
                                       end - begin, config_.layer(layer).hidden_dim, states));
    begin = end;
  }
  ForEachRows(n_rows, n_used * dim, [&](size_t first, size_t n) {
    for (size_t r = first; r < first + n; ++r) MixOutputs(r);
  });
  return Status();
}

// Sets a row of normed_ to the mix of its experts' outputs.
void Forward::MixOutputs(size_t row) {
  const size_t dim = config_.dim;
  const size_t n_used = config_.n_experts_used;
  float* const out = normed_.data() + row * dim;
  std::fill_n(out, dim, -0.0f);
  for (size_t i = row * n_used; i < (row + 1) * n_used; ++i) {
    const float share = experts_.choices[i].share;
    const float* const state = &experts_.states[experts_.places[i] * dim];
    for (size_t d = 0; d < dim; ++d) out[d] += share * state[d];
  }
}

}  // namespace clamma
