// SPDX-License-Identifier: MIT
#include "metrics.h"

#include <algorithm>
#include <string>

#include "prometheus.h"

namespace demo {
namespace {

int64_t ThisSecond() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace

void Metrics::SessionBegins() {
  const std::lock_guard lock(mutex_);
  ++sessions_;
}

void Metrics::SessionEnds() {
  const std::lock_guard lock(mutex_);
  --sessions_;
}

void Metrics::AddTokens(size_t count) {
  const int64_t now = ThisSecond();
  const std::lock_guard lock(mutex_);
  tokens_ += count;
  Second& second = seconds_[static_cast<size_t>(now) % seconds_.size()];
  if (second.number != now) second = {now, 0};
  second.tokens += count;
}

void Metrics::AddFirstToken(double seconds) {
  const std::lock_guard lock(mutex_);
  const auto* bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  if (bucket != kBounds.end()) ++first_tokens_[static_cast<size_t>(bucket - kBounds.begin())];
  ++first_token_count_;
  first_token_sum_ += seconds;
}

void Metrics::AddEnding(Ending ending) {
  const std::lock_guard lock(mutex_);
  ++endings_[static_cast<size_t>(ending)];
}

void Metrics::SetVisitors(size_t connected, size_t waiting) {
  const std::lock_guard lock(mutex_);
  connected_ = connected;
  waiting_ = waiting;
}

double Metrics::Rate() const {
  // Count only complete seconds, not the current one.
  const int64_t now = ThisSecond();
  uint64_t sum = 0;
  for (const Second& second : seconds_) {
    const bool recent = second.number >= now - static_cast<int64_t>(kRateSeconds);
    if (second.number >= 0 && recent && second.number < now) sum += second.tokens;
  }
  return static_cast<double>(sum) / static_cast<double>(kRateSeconds);
}

std::string Metrics::Text() const {
  const std::lock_guard lock(mutex_);
  web::MetricsText text("clamma_ws_demo_");
  text.Metric("sessions_active", "gauge", "Sessions that exist: texts being generated.",
              uint64_t{sessions_});
  text.Metric("visitors_connected", "gauge", "Open WebSockets.", uint64_t{connected_});
  text.Metric("visitors_waiting", "gauge", "Visitors who wait in the queue.", uint64_t{waiting_});
  text.Metric("tokens_total", "counter", "Tokens generated.", tokens_);
  text.Metric("tokens_per_second", "gauge",
              "Tokens generated per second, for all texts, over the last 10 seconds.", Rate());
  text.Head("stories_total", "counter", "Stories or answers that ended, by reason.");
  for (size_t i = 0; i < kEndings; ++i) {
    const std::string name(Name(static_cast<Ending>(i)));
    text.Value("stories_total{reason=\"" + name + "\"}", endings_[i]);
  }
  text.Histogram("time_to_first_token_seconds", "From getting a seat to the first token of a text.",
                 kBounds, first_tokens_, first_token_count_, first_token_sum_);
  return text.text();
}

}  // namespace demo
