// SPDX-License-Identifier: MIT
// Counters for Prometheus. Any thread may call every function.
#ifndef CLAMMA_WS_DEMO_METRICS_H_
#define CLAMMA_WS_DEMO_METRICS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "generation.h"

namespace demo {

class Metrics {
 public:
  void SessionBegins();
  void SessionEnds();
  void AddTokens(size_t count);
  void AddFirstToken(double seconds);  // from the query to the first token
  void AddEnding(Ending ending);
  void SetVisitors(size_t connected, size_t waiting);

  // In Prometheus' text format, version 0.0.4.
  std::string Text() const;

 private:
  static constexpr std::array kBounds = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0};
  static constexpr size_t kRateSeconds = 10;

  // Tokens per second over the last kRateSeconds. Needs the lock.
  double Rate() const;

  mutable std::mutex mutex_;  // protects the members below
  size_t sessions_ = 0;
  size_t connected_ = 0;
  size_t waiting_ = 0;
  uint64_t tokens_ = 0;
  std::array<uint64_t, kEndings> endings_ = {};
  std::array<uint64_t, kBounds.size()> first_tokens_ = {};  // per bucket, not cumulative
  uint64_t first_token_count_ = 0;
  double first_token_sum_ = 0;
  struct Second {
    int64_t number = -1;  // of the clock
    uint64_t tokens = 0;
  };
  std::array<Second, kRateSeconds + 1> seconds_ = {};  // a ring
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_METRICS_H_
