// SPDX-License-Identifier: MIT
// The exponential function of the native order of sums. It uses float operations only, so that a
// vector unit computes one result per lane.
#ifndef CLAMMA_KERNELS_NATIVE_MATH_H_
#define CLAMMA_KERNELS_NATIVE_MATH_H_

#include "kernels/math.h"

namespace clamma {

struct ExpNativeConstants {
  static constexpr float kLargest = 88.0f;  // x is clamped to this magnitude
  static constexpr float kLog2E = 0x1.715476p+0f;
  // Adding this rounds to an integer, and leaves the integer plus 127 in the low bits.
  static constexpr float kMagic = 0x1.8p+23f + 127;
  // -ln 2 in two parts. The first has 9 significant bits, so that its product with n is exact.
  static constexpr float kLn2High = -0x1.63p-1f;
  static constexpr float kLn2Low = 0x1.bd0106p-13f;
  // Coefficients of r^2 to r^6. With 1 + r added, the relative error is below 2^-28 on |r| <= ln 2
  // / 2.
  static constexpr float kTerms[5] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558bp-5f, 0x1.12398ep-7f,
                                      0x1.6a4d6p-10f};
};

// Constants of the gates in native_ops.h.
struct GluConstants {
  static constexpr float kGeluLinear = 1.5957691216057308f;  // 2 sqrt(2 / pi)
  static constexpr float kGeluCubic = 0.07135481282553305f;  // 0.044715 * kGeluLinear
  static constexpr float kBound = 7.0f;
  static constexpr float kSteepness = 1.702f;
};

// exp(x) with an error below 0.91 units in the last place for -87.33 <= x <= 88, and exactly 1 for
// 0. Below that range the results are subnormal, and 0 from -87.69 on; above it the result is
// exp(88). NaN stays NaN.
//
// Let n be x / ln 2 rounded to the nearest integer, ties to even, and r = x - n ln 2. The result is
// a polynomial of r times 2^n, where 2^-127 counts as 0. These operations define the result: the
// vector version (skeletons/native_activations.h) uses the same ones.
static inline float ExpNative(float x) {
  using C = ExpNativeConstants;
  float bounded = C::kLargest < x ? C::kLargest : x;
  bounded = -C::kLargest > bounded ? -C::kLargest : bounded;
  const float shifted = Fma(bounded, C::kLog2E, C::kMagic);
  const float n = shifted - C::kMagic;
  const float r = Fma(n, C::kLn2Low, Fma(n, C::kLn2High, bounded));
  float sum = C::kTerms[4];
  for (size_t i = 4; i-- > 0;) sum = Fma(sum, r, C::kTerms[i]);
  sum = Fma(Fma(sum, r, 1.0f), r, 1.0f);
  // Multiplying keeps a NaN; adding to the exponent would not.
  return sum * __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, shifted) << 23);
}

}  // namespace clamma

#endif  // CLAMMA_KERNELS_NATIVE_MATH_H_
