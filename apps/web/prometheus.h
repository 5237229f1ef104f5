// SPDX-License-Identifier: MIT
// Prometheus' text format, version 0.0.4.
#ifndef CLAMMA_APPS_WEB_PROMETHEUS_H_
#define CLAMMA_APPS_WEB_PROMETHEUS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace web {

inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

// A text of metrics whose names begin with a prefix.
class MetricsText {
 public:
  explicit MetricsText(std::string_view prefix) : prefix_(prefix) {}

  // The help and the type of a metric, before its values.
  void Head(std::string_view name, std::string_view type, std::string_view help);
  // A value; `name` may have labels.
  void Value(std::string_view name, uint64_t value);
  void Value(std::string_view name, double value);
  // A metric without labels.
  template <typename T>
  void Metric(std::string_view name, std::string_view type, std::string_view help, T value) {
    Head(name, type, help);
    Value(name, value);
  }
  // A histogram without labels: `counts` for each bucket, not cumulative, up to each of `bounds`;
  // `count` and `sum` of all.
  void Histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                 std::span<const uint64_t> counts, uint64_t count, double sum);

  const std::string& text() const { return text_; }

 private:
  std::string_view prefix_;
  std::string text_;
};

}  // namespace web

#endif  // CLAMMA_APPS_WEB_PROMETHEUS_H_
