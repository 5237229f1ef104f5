// SPDX-License-Identifier: MIT
// Fits scales and minima of groups of weights by weighted least squares. A search tries scales near
// the one with which the extreme values just fit, and improves each by the exact solution for the
// resulting integers. The best one is then refined while its error falls.
//
// Errors are computed as sums of small residuals, not as differences of large sums.
#ifndef CLAMMA_QUANTIZE_FIT_H_
#define CLAMMA_QUANTIZE_FIT_H_

#include <cstddef>

#include "quantize/lanes.h"

namespace clamma {
namespace {
namespace quantize {

constexpr int kRefinements = 4;

// The `count` scales to try: they map the extreme value to n + first, n + first + step ..., where n
// is the largest integer.
struct Search {
  float first;
  float step;
  int count;
};

// Approximates y by scale * q + min.
struct Fit {
  float scale = 0;
  float min = 0;
  float error = 0;  // the weighted sum of squares
};

// Integers q in [low, high].
struct IntegerRange {
  float low;
  float high;
};

// Returns the best scale for the integers that the scale 1 / inverse gives.
template <size_t kCols>
inline Fit EvaluateScale(const float* y, const float* w, float inverse, IntegerRange range) {
  const F4 low = Set(range.low);
  const F4 high = Set(range.high);
  const F4 up = Set(inverse);
  const float scale = 1.0f / inverse;
  const F4 down = Set(scale);
  F4 rr = Set(0);
  F4 qr = Set(0);
  F4 qq = Set(0);
  for (size_t k = 0; k < kCols; k += 4) {
    const F4 value = Load(y + k);
    const F4 q = Round(Clamp(value * up, low, high));
    const F4 r = value - q * down;
    const F4 wq = Load(w + k) * q;
    qr += wq * r;
    qq += wq * q;
    rr += Load(w + k) * r * r;
  }
  const float sum_qr = Sum(qr);
  const float sum_qq = Sum(qq);
  if (!(sum_qq > 0)) return {0, 0, Sum(rr)};
  const float change = sum_qr / sum_qq;
  return {scale + change, 0, Sum(rr) - change * sum_qr};
}

// The value with the largest magnitude.
template <size_t kCols>
inline float Extreme(const float* y) {
  float extreme = 0;
  for (size_t k = 0; k < kCols; ++k) {
    if ((y[k] < 0 ? -y[k] : y[k]) > (extreme < 0 ? -extreme : extreme)) extreme = y[k];
  }
  return extreme;
}

// Keeps the best fit so far.
class BestFit {
 public:
  const Fit& fit() const { return best_; }

  // Takes the fit if it is usable and better than all before. Returns whether it did.
  bool Take(const Fit& fit, bool is_usable) {
    if (!is_usable || (found_ && !(fit.error < best_.error))) return false;
    best_ = fit;
    found_ = true;
    return true;
  }

  // Calls refine() while it finds a better fit, at most kRefinements times.
  template <typename Body>
  void Refine(const Body& refine) const {
    for (int i = 0; i < kRefinements && found_ && refine(); ++i) continue;
  }

 private:
  Fit best_;
  bool found_ = false;
};

// Calls body(offset) for each scale of a search.
template <typename Body>
inline void ForEachOffset(const Search& search, const Body& body) {
  for (int i = 0; i < search.count; ++i) {
    body(search.first + search.step * static_cast<float>(i));
  }
}

// Fits y (kCols) by scale * q; the scale may have either sign.
template <size_t kCols>
inline Fit FitScale(const float* y, const float* w, IntegerRange range, const Search& search) {
  const float extreme = Extreme<kCols>(y);
  // 1 / extreme and the squares must be finite.
  if (!(extreme < -1e-12f || extreme > 1e-12f)) return Fit();
  BestFit best;
  const auto consider = [&](float inverse) {
    const Fit fit = EvaluateScale<kCols>(y, w, inverse, range);
    return best.Take(fit, fit.scale != 0);
  };
  ForEachOffset(search, [&](float offset) {
    consider((range.low - offset) / extreme);
    consider((range.high + offset) / extreme);
  });
  best.Refine([&] { return consider(1.0f / best.fit().scale); });
  return best.fit();
}

// Returns the best scale and minimum for the integers that the scale 1 / inverse and `min` give.
// With kNoPositive, the minimum is at most 0.
template <size_t kCols, bool kNoPositive>
inline Fit EvaluateScaleAndMin(const float* y, const float* w, float inverse, float min,
                               float largest) {
  const F4 high = Set(largest);
  const F4 up = Set(inverse);
  const float scale = 1.0f / inverse;
  const F4 down = Set(scale);
  const F4 base = Set(min);
  F4 sw = Set(0);
  F4 r1 = Set(0);
  F4 rr = Set(0);
  F4 qr = Set(0);
  F4 q1 = Set(0);
  F4 qq = Set(0);
  for (size_t k = 0; k < kCols; k += 4) {
    const F4 value = Load(y + k) - base;
    const F4 weight = Load(w + k);
    const F4 q = Round(Clamp(value * up, Set(0), high));
    const F4 r = value - q * down;
    const F4 wq = weight * q;
    const F4 wr = weight * r;
    sw += weight;
    r1 += wr;
    rr += wr * r;
    qr += wq * r;
    q1 += wq;
    qq += wq * q;
  }
  const float n = Sum(sw);
  const float sum_r = Sum(r1);
  const float sum_rr = Sum(rr);
  const float sum_qr = Sum(qr);
  const float sum_q = Sum(q1);
  const float sum_qq = Sum(qq);
  const float determinant = n * sum_qq - sum_q * sum_q;
  if (!(n > 0) || !(sum_qq > 0) || !(determinant > 1e-6f * n * sum_qq)) {
    return {scale, min, sum_rr};
  }
  const float d_scale = (n * sum_qr - sum_q * sum_r) / determinant;
  const float d_min = (sum_r - d_scale * sum_q) / n;
  if (!kNoPositive || min + d_min <= 0) {
    return {scale + d_scale, min + d_min, sum_rr - d_min * sum_r - d_scale * sum_qr};
  }
  // Fit y = scale * q with the minimum 0: this adds min to each residual.
  const float change = (sum_qr + min * sum_q) / sum_qq;
  return {scale + change, 0,
          sum_rr + min * (2 * sum_r + min * n) - change * (sum_qr + min * sum_q)};
}

// Fits y (kCols) by scale * q + min, with q from 0 to `largest` and scale >= 0.
template <size_t kCols, bool kNoPositive>
inline Fit FitScaleAndMin(const float* y, const float* w, float largest, const Search& search) {
  float low = y[0];
  float high = y[0];
  for (size_t k = 1; k < kCols; ++k) {
    low = y[k] < low ? y[k] : low;
    high = y[k] > high ? y[k] : high;
  }
  if (kNoPositive && low > 0) low = 0;
  if (kNoPositive && high < 0) high = 0;  // the range then always contains 0
  if (!(high - low > 1e-12f)) return {0, low, 0};
  BestFit best;
  const auto consider = [&](float inverse, float min) {
    const Fit fit = EvaluateScaleAndMin<kCols, kNoPositive>(y, w, inverse, min, largest);
    return best.Take(fit, fit.scale > 0);
  };
  ForEachOffset(search, [&](float offset) {
    const float steps = largest + offset;
    const float inverse = steps / (high - low);
    const float spare = (largest - steps) / inverse;  // part of the range beyond the values
    consider(inverse, low);
    consider(inverse, low - 0.5f * spare);
    if (!kNoPositive || low - spare <= 0) consider(inverse, low - spare);
  });
  best.Refine([&] { return consider(1.0f / best.fit().scale, best.fit().min); });
  return best.fit();
}

// Writes the integers for a scale and a minimum to q_out (kCols), and returns the weighted error.
// With scale 0, all integers are 0, clamped to the range.
template <size_t kCols>
inline float Quantize(const float* y, const float* w, float scale, float min, IntegerRange range,
                      float* q_out) {
  const F4 up = Set(scale == 0 ? 0 : 1.0f / scale);
  const F4 down = Set(scale);
  const F4 base = Set(min);
  F4 rr = Set(0);
  for (size_t k = 0; k < kCols; k += 4) {
    const F4 value = Load(y + k) - base;
    const F4 q = Round(Clamp(value * up, Set(range.low), Set(range.high)));
    const F4 r = value - q * down;
    rr += Load(w + k) * r * r;
    Store(q_out + k, q);
  }
  return Sum(rr);
}

}  // namespace quantize
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_FIT_H_
