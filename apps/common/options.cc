// SPDX-License-Identifier: MIT
#include "options.h"

#include <charconv>
#include <chrono>
#include <cstdio>

namespace options {

uint64_t SeedFromClock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return now == 0 ? 1 : static_cast<uint64_t>(now);
}

std::string Written(float number) {
  char text[64];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(text), number);
  return {text, end.ptr};
}

std::string DescribeSession(const clamma_session_facts_t& facts, const Sampling& o, uint64_t seed) {
  char size[32];
  std::snprintf(size, sizeof(size), "%.3f MB",
                static_cast<double>(facts.memory_bytes_at_full_context) / 1e6);
  return std::string(size) + ", temperature " + Written(o.temperature) + ", top-p " +
         Written(o.topp) + ", seed " + std::to_string(seed);
}

}  // namespace options
