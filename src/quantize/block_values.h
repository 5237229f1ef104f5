// SPDX-License-Identifier: MIT
// The values of a block, scaled for a fit.
#ifndef CLAMMA_QUANTIZE_BLOCK_VALUES_H_
#define CLAMMA_QUANTIZE_BLOCK_VALUES_H_

#include <cstddef>
#include <cstdint>

#include "kernels/half.h"
#include "quantize/encode.h"

namespace clamma {
namespace {
namespace quantize {

constexpr float kMaxHalf = 65504.0f;

// Values multiplied by a power of two so that the largest magnitude is in [1, 2): sums of squares
// are then far from the limits of floats. Weights are at most 1.
template <size_t kCols>
struct BlockValues {
  alignas(16) float y[kCols];
  alignas(16) float w[kCols];
  bool is_weighted = false;  // by importance that is not 0 everywhere
  float unit = 0;            // x = unit * y; 0: all values are 0, or too small for any scale

  EncodeResult Set(const float* x, const float* importance) {
    float largest = 0;
    for (size_t k = 0; k < kCols; ++k) {
      const float magnitude = x[k] < 0 ? -x[k] : x[k];
      // This is also false for NaN.
      if (!(magnitude < __builtin_inff())) return EncodeResult::kNotFinite;
      largest = magnitude > largest ? magnitude : largest;
    }
    SetWeights(importance);
    // Scales range from 2^-24 to below 2^16, and the integers they multiply are at most 2^13.
    if (largest < 0x1p-40f) {
      for (float& value : y) value = 0;
      return EncodeResult::kOk;
    }
    if (largest > 0x1p30f) return EncodeResult::kTooLarge;
    const uint32_t exponent = __builtin_bit_cast(uint32_t, largest) & 0x7f800000u;
    unit = __builtin_bit_cast(float, exponent);
    const float inverse = 1.0f / unit;
    for (size_t k = 0; k < kCols; ++k) y[k] = x[k] * inverse;
    return EncodeResult::kOk;
  }

  // Behind Set(): weights by magnitude, as the mean square plus the value's own. Errors of large
  // weights cost a model more than as many of small ones.
  void WeighByMagnitude() {
    if (unit == 0) return;
    float sum = 0;
    float largest = 0;
    for (size_t k = 0; k < kCols; ++k) {
      w[k] = y[k] * y[k];
      sum += w[k];
      largest = w[k] > largest ? w[k] : largest;
    }
    const float mean = sum / static_cast<float>(kCols);
    for (size_t k = 0; k < kCols; ++k) w[k] = (mean + w[k]) / (mean + largest);
  }

 private:
  void SetWeights(const float* importance) {
    float largest = 0;
    for (size_t k = 0; importance != nullptr && k < kCols; ++k) {
      largest = importance[k] > largest ? importance[k] : largest;
    }
    // If no column has an importance, all columns have the same.
    is_weighted = largest > 1e-30f;
    for (size_t k = 0; k < kCols; ++k) w[k] = is_weighted ? importance[k] / largest : 1.0f;
  }
};

// Stores a half, little-endian.
inline void StoreHalf(uint16_t half, uint8_t* out) {
  out[0] = static_cast<uint8_t>(half & 0xff);
  out[1] = static_cast<uint8_t>(half >> 8);
}

// Stores unit * value as a half, and sets *value to the stored value. Returns false if it is too
// large.
inline bool StoreScale(float unit, float* value, uint8_t* out) {
  const float scale = unit * *value;
  if (!(scale <= kMaxHalf && scale >= -kMaxHalf)) return false;
  const uint16_t half = FloatToHalf(scale);
  StoreHalf(half, out);
  *value = unit == 0 ? 0 : HalfToFloat(half) / unit;
  return true;
}

// Does the same, but rounds away from 0, so that integers up to a limit reach the wanted values.
// (Halves below 2^-14, as the scales of super-blocks often are, lie far apart.)
inline bool StoreScaleUpwards(float unit, float* value, uint8_t* out) {
  const float wanted = *value;
  if (!StoreScale(unit, value, out)) return false;
  const bool is_less = wanted < 0 ? *value > wanted : *value < wanted;
  const auto half = static_cast<uint16_t>(out[0] | out[1] << 8);
  if (!is_less || unit == 0 || (half & 0x7fffu) >= 0x7bffu) return true;
  const auto sign = static_cast<uint16_t>(wanted < 0 ? 0x8000 : 0);
  const auto next = static_cast<uint16_t>(sign | ((half & 0x7fffu) + 1));
  StoreHalf(next, out);
  *value = HalfToFloat(next) / unit;
  return true;
}

}  // namespace quantize
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_BLOCK_VALUES_H_
