// SPDX-License-Identifier: MIT
#include "kernels/math.h"

namespace clamma {
namespace {

double RoundToEvenDouble(double x) {
  constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
  return (x + kMagic) - kMagic;
}

// Minimax polynomials on [-pi/4, pi/4] (Remez). The sine's has degree 7 and the least error
// relative to r, 3.6e-9; the cosine's has degree 8 and the least absolute error, 5.4e-11. More
// terms would be more exact, but further from the C library with which the models' reference texts
// were made.
double SinPolynomial(double r) {
  const double z = r * r;
  double p = -0x1.994eb37760c7ap-13;
  p = p * z + 0x1.1107605231135p-7;
  p = p * z - 0x1.555545995a618p-3;
  return r + r * z * p;
}

double CosPolynomial(double r) {
  const double z = r * r;
  double p = 0x1.99343027e75bbp-16;
  p = p * z - 0x1.6c087e89a43adp-10;
  p = p * z + 0x1.55553e1068f49p-5;
  p = p * z - 0x1.ffffffd0c621dp-2;
  return 1.0 + z * p;
}

}  // namespace

void SinCos(float x, float* sine, float* cosine) {
  constexpr double kTwoOverPi = 0.63661977236758134308;
  // pi / 2 in two parts. The first has 29 significant bits, so that its product with n is exact for
  // n < 2^24.
  constexpr double kHalfPiHigh = 0x1.921fb54p+0;
  constexpr double kHalfPiLow = 0x1.10b4611a62633p-30;
  const auto wide = static_cast<double>(x);
  const double n = RoundToEvenDouble(wide * kTwoOverPi);
  const double r = (wide - n * kHalfPiHigh) - n * kHalfPiLow;
  const double s = SinPolynomial(r);
  const double c = CosPolynomial(r);
  switch (static_cast<int64_t>(n) & 3) {
    case 0:
      *sine = static_cast<float>(s);
      *cosine = static_cast<float>(c);
      break;
    case 1:
      *sine = static_cast<float>(c);
      *cosine = static_cast<float>(-s);
      break;
    case 2:
      *sine = static_cast<float>(-s);
      *cosine = static_cast<float>(-c);
      break;
    default:
      *sine = static_cast<float>(-c);
      *cosine = static_cast<float>(s);
      break;
  }
}

double ExpDouble(double x) {
  const double n = RoundToEvenDouble(x * 1.4426950408889634074);
  const double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
  double term = 1.0;
  double sum = 1.0;
  for (int k = 1; k <= 14; ++k) {
    term *= r / k;
    sum += term;
  }
  const auto exponent = static_cast<uint64_t>(static_cast<int64_t>(n) + 1023) << 52;
  return sum * __builtin_bit_cast(double, exponent);
}

double LogDouble(double x) {
  // x = m * 2^e with m in [sqrt(1/2), sqrt(2)). Subnormal numbers are scaled up first.
  const bool is_subnormal = (__builtin_bit_cast(uint64_t, x) >> 52) == 0;
  const auto bits = __builtin_bit_cast(uint64_t, is_subnormal ? x * 0x1p54 : x);
  auto e = static_cast<int64_t>(bits >> 52) - (is_subnormal ? 1023 + 54 : 1023);
  double m = __builtin_bit_cast(double, (bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++e;
  }
  // ln m = 2 artanh(t) with t = (m - 1) / (m + 1). As |t| <= 0.1716, t^23 / 23 is below 1e-19.
  const double t = (m - 1.0) / (m + 1.0);
  const double z = t * t;
  double p = 0;
  for (int k = 21; k >= 1; k -= 2) p = p * z + 1.0 / k;
  return static_cast<double>(e) * 0.69314718055994530942 + 2.0 * t * p;
}

}  // namespace clamma
