// SPDX-License-Identifier: MIT
#include "openai/counters.h"

#include <algorithm>

namespace openai {

void Service::Histogram::Add(double seconds) {
  const auto bucket = std::lower_bound(kBuckets.begin(), kBuckets.end(), seconds);
  ++counts[static_cast<size_t>(bucket - kBuckets.begin())];
  sum += seconds;
  ++count;
}

void Counters::AddAnswer(Endpoint endpoint, int status) noexcept {
  const std::lock_guard lock(mutex_);
  const int hundreds = std::clamp(status / 100, 0, 5);
  ++counts_.requests[static_cast<size_t>(endpoint)][static_cast<size_t>(hundreds)];
}

void Counters::AddCancelled() noexcept {
  const std::lock_guard lock(mutex_);
  ++counts_.cancelled;
}

void Counters::AddFirstToken(double seconds) noexcept {
  const std::lock_guard lock(mutex_);
  counts_.first_token.Add(seconds);
}

void Counters::AddBetweenTokens(double seconds) noexcept {
  const std::lock_guard lock(mutex_);
  counts_.between_tokens.Add(seconds);
}

void Counters::AddTokens(const Usage& usage) noexcept {
  const std::lock_guard lock(mutex_);
  counts_.prompt_tokens += usage.prompt_tokens;
  counts_.cached_tokens += usage.cached_tokens;
  counts_.generated_tokens += usage.completion_tokens;
}

Service::Counts Counters::Copy() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace openai
