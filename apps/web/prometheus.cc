// SPDX-License-Identifier: MIT
#include "prometheus.h"

#include <cstddef>
#include <cstdio>

namespace web {
namespace {

std::string Number(double value) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return text;
}

}  // namespace

void MetricsText::Head(std::string_view name, std::string_view type, std::string_view help) {
  const std::string full = std::string(prefix_) + std::string(name) + " ";
  text_ += "# HELP " + full + std::string(help) + "\n# TYPE " + full + std::string(type) + "\n";
}

void MetricsText::Value(std::string_view name, uint64_t value) {
  text_ += std::string(prefix_) + std::string(name) + " " + std::to_string(value) + "\n";
}

void MetricsText::Value(std::string_view name, double value) {
  text_ += std::string(prefix_) + std::string(name) + " " + Number(value) + "\n";
}

void MetricsText::Histogram(std::string_view name, std::string_view help,
                            std::span<const double> bounds, std::span<const uint64_t> counts,
                            uint64_t count, double sum) {
  Head(name, "histogram", help);
  const std::string full(name);
  uint64_t below = 0;
  for (size_t i = 0; i < bounds.size(); ++i) {
    below += counts[i];
    Value(full + "_bucket{le=\"" + Number(bounds[i]) + "\"}", below);
  }
  Value(full + "_bucket{le=\"+Inf\"}", count);
  Value(full + "_sum", sum);
  Value(full + "_count", count);
}

}  // namespace web
