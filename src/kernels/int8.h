// SPDX-License-Identifier: MIT
// Floats to int8 with a scale, as the native order of sums has it.
#ifndef CLAMMA_KERNELS_INT8_H_
#define CLAMMA_KERNELS_INT8_H_

#include <cstddef>
#include <cstdint>

namespace clamma {

// 127 / largest for the largest magnitude of some floats, or 0 where that is 0, or so small that
// the quotient is no finite number: then all of them are taken for 0.
static inline float InverseScale(float largest) {
  const float inverse = 127.0f / largest;
  return inverse < __builtin_inff() ? inverse : 0;
}

// Writes n numbers, `stride` apart: q = x * (127 / largest |x|) to the nearest, ties to even.
// Returns their scale, largest |x| / 127. Where not all of x is finite, q are 0 and the scale is
// NaN.
static inline float QuantizeToInt8(int8_t* q, size_t stride, const float* x, size_t n) {
  float largest = 0;
  float zero = 0;  // NaN where one is not finite
  for (size_t k = 0; k < n; ++k) {
    const float magnitude = x[k] < 0 ? -x[k] : x[k];
    largest = magnitude > largest ? magnitude : largest;
    zero += x[k] * 0;
  }
  const bool finite = zero == 0;
  const float inverse = finite ? InverseScale(largest) : 0;
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  for (size_t k = 0; k < n; ++k) {
    const float value = finite ? x[k] * inverse : 0.0f;
    q[k * stride] = static_cast<int8_t>(static_cast<int32_t>(value + kMagic - kMagic));
  }
  return !finite ? __builtin_nanf("") : inverse > 0 ? largest / 127.0f : 0.0f;
}

}  // namespace clamma

#endif  // CLAMMA_KERNELS_INT8_H_
