// SPDX-License-Identifier: MIT
// How long passes take, as a line through what was measured: a part that every pass takes, and a
// part for each row. Only speed depends on it, no result.
#ifndef CLAMMA_ENGINE_PASS_COSTS_H_
#define CLAMMA_ENGINE_PASS_COSTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace clamma {

class PassCosts {
 public:
  // Adds a pass of `rows` rows, all with logits, that took so many nanoseconds. Where there is no
  // clock, all take 0.
  void Learn(size_t rows, uint64_t nanoseconds) {
    if (nanoseconds == 0 || is_fixed_) return;
    const auto x = static_cast<double>(rows);
    const auto y = static_cast<double>(nanoseconds);
    const double sums[] = {1, x, y, x * x, x * y};
    for (size_t i = 0; i < kSums; ++i) sums_[i] = kMemory * sums_[i] + sums[i];
  }

  // From now on learns nothing. Tests use it, whose passes take too little time to measure.
  void Fix() { is_fixed_ = true; }

  // In nanoseconds; in any unit if nothing was measured.
  double of_row() const {
    if (sums_[0] == 0) return 1;
    // A regression that leans to the guess as long as all passes have had the same rows.
    constexpr double kDoubt = 0.25;
    const double x = sums_[1] / sums_[0];
    const double y = sums_[2] / sums_[0];
    const double guess = y / (x + kRowsOfBase);
    const double variance = sums_[3] / sums_[0] - x * x;
    const double covariance = sums_[4] / sums_[0] - x * y;
    const double slope = (covariance + kDoubt * guess) / (variance + kDoubt);
    return std::clamp(slope, 0.02 * y / x, y / x);
  }
  double of_pass(size_t rows) const {
    const auto x = static_cast<double>(rows);
    if (sums_[0] == 0) return x + kRowsOfBase;
    return std::max(0.0, (sums_[2] - of_row() * sums_[1]) / sums_[0]) + of_row() * x;
  }

 private:
  static constexpr size_t kSums = 5;
  static constexpr double kMemory = 0.98;   // what is left of a pass after the next one
  static constexpr double kRowsOfBase = 3;  // the guess: reading the weights takes 3 rows' time
  bool is_fixed_ = false;
  double sums_[kSums] = {};  // of 1, rows, nanoseconds, rows squared, rows times nanoseconds
};

struct NoPassCosts {
  void Learn(size_t, uint64_t) {}  // NOLINT(readability-convert-member-functions-to-static)
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_PASS_COSTS_H_
