// SPDX-License-Identifier: MIT
#include "engine/logprobs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/math.h"

namespace clamma {

double LogSumExp(const float* logits, size_t n) {
  float largest = -__builtin_inff();
  for (size_t i = 0; i < n; ++i) largest = logits[i] > largest ? logits[i] : largest;
  if (!std::isfinite(largest)) return static_cast<double>(largest);
  double sum = 0;  // becomes at least 1, which is the term of the largest logit
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(Exp(logits[i] - largest));
  return static_cast<double>(largest) + LogDouble(sum);
}

Status LogprobOf(const float* logits, double total, TokenId token, float* logprob) {
  const auto logit = static_cast<double>(logits[token]);
  if (!std::isfinite(total) || !std::isfinite(logit)) {
    return Status::Error(StatusCode::kCorrupt,
                         "the model's output is not a number: its weights are damaged");
  }
  *logprob = static_cast<float>(logit - total);
  return Status();
}

Status Logprobs::Init(Memory& memory, size_t n_top) {
  CLAMMA_RETURN_IF_ERROR(heap_.Resize(memory, n_top));
  CLAMMA_RETURN_IF_ERROR(tokens_.Resize(memory, n_top));
  return logprobs_.Resize(memory, n_top);
}

void Logprobs::Swap(Logprobs& other) {
  std::swap(chosen_, other.chosen_);
  std::swap(n_top_, other.n_top_);
  heap_.Swap(other.heap_);
  tokens_.Swap(other.tokens_);
  logprobs_.Swap(other.logprobs_);
}

// The heap holds the likeliest tokens so far, with the least likely of them in front.
void Logprobs::Compute(const float* logits, size_t n, TokenId chosen) {
  const double total = LogSumExp(logits, n);
  const auto logprob = [&](float logit) {
    return static_cast<float>(static_cast<double>(logit) - total);
  };
  chosen_ = logprob(logits[chosen]);
  n_top_ = std::min(n, heap_.size());
  if (n_top_ == 0) return;
  Candidate* const heap = heap_.data();
  for (size_t i = 0; i < n; ++i) {
    const Candidate candidate = {logits[i], static_cast<TokenId>(i)};
    if (i < n_top_) {
      heap[i] = candidate;
      std::push_heap(heap, heap + i + 1, Before);
    } else if (Before(candidate, heap[0])) {
      std::pop_heap(heap, heap + n_top_, Before);
      heap[n_top_ - 1] = candidate;
      std::push_heap(heap, heap + n_top_, Before);
    }
  }
  std::sort_heap(heap, heap + n_top_, Before);
  for (size_t i = 0; i < n_top_; ++i) {
    tokens_[i] = heap[i].token;
    logprobs_[i] = logprob(heap[i].logit);
  }
}

}  // namespace clamma
