// SPDX-License-Identifier: MIT
#include "kernels/math.h"

namespace clamma {
namespace {

double RoundToEvenDouble(double x) {
  constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
  return (x + kMagic) - kMagic;
}

// Taylor polynomials on [-pi/4, pi/4]: the first term left out is below 4e-14.
double SinPolynomial(double r) {
  const double z = r * r;
  double p = -1.0 / 39916800.0;
  p = p * z + 1.0 / 362880.0;
  p = p * z - 1.0 / 5040.0;
  p = p * z + 1.0 / 120.0;
  p = p * z - 1.0 / 6.0;
  return r + r * z * p;
}

double CosPolynomial(double r) {
  const double z = r * r;
  double p = 1.0 / 479001600.0;
  p = p * z - 1.0 / 3628800.0;
  p = p * z + 1.0 / 40320.0;
  p = p * z - 1.0 / 720.0;
  p = p * z + 1.0 / 24.0;
  p = p * z - 0.5;
  return 1.0 + z * p;
}

}  // namespace

void SinCos(float x, float* sine, float* cosine) {
  constexpr double kTwoOverPi = 0.63661977236758134308;
  // pi / 2 in two parts; the first has 29 significant bits, so that n * it is exact for n < 2^24.
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
  return sum * std::bit_cast<double>(exponent);
}

double LogDouble(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  // x = m * 2^e with m in [sqrt(1/2), sqrt(2)); subnormals are scaled up first.
  if ((bits >> 52) == 0) return LogDouble(x * 0x1p54) - 54 * 0.69314718055994530942;
  auto e = static_cast<int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++e;
  }
  // ln m = 2 artanh(t), t = (m - 1) / (m + 1), |t| <= 0.1716: t^23 / 23 is below 1e-19.
  const double t = (m - 1.0) / (m + 1.0);
  const double z = t * t;
  double p = 0;
  for (int k = 21; k >= 1; k -= 2) p = p * z + 1.0 / k;
  return static_cast<double>(e) * 0.69314718055994530942 + 2.0 * t * p;
}

}  // namespace clamma
