// SPDX-License-Identifier: MIT
// Elementary functions of our own, made of IEEE operations only, so that every machine computes the
// same bits. Static, not merely inline: files compiled for other instruction sets must not share them.
#ifndef CLAMMA_KERNELS_MATH_H_
#define CLAMMA_KERNELS_MATH_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace clamma {

// True where Fma() rounds once: where the target this file is compiled for has the instruction.
static constexpr bool FmaIsFused() {
#if defined(__FMA__) || defined(__aarch64__) || defined(__ARM_FEATURE_FMA) || defined(__s390x__) || \
    defined(__riscv_flen) || defined(__powerpc64__)
  return true;
#else
  return false;
#endif
}

static inline float Fma(float a, float b, float c) {
  if constexpr (FmaIsFused()) return __builtin_fmaf(a, b, c);
  return a * b + c;
}

// A float at any alignment, in this machine's byte order.
static inline float LoadF32(const uint8_t* p) {
  float value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

// Nearest integer, ties to even, of |x| < 2^22, by the rounding of the addition itself.
static inline float RoundToEven(float x) {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23
  return (x + kMagic) - kMagic;
}

// exp(x) with a relative error below 2e-7 (two units in the last place) for x in [-87.33, 88.37];
// 0 below (and for NaN), exp(88.37) above. Range reduction by ln 2 in two parts, then the Taylor
// polynomial of degree 7 on [-ln2 / 2, ln2 / 2].
static inline float Exp(float x) {
  constexpr float kLowest = -87.33f;
  constexpr float kHighest = 88.37f;
  const bool in_range = x > kLowest;
  const float clamped = in_range ? (x < kHighest ? x : kHighest) : 0.0f;
  const float n = RoundToEven(clamped * 1.44269504f);
  // 0x1.62e4p-1 has few enough bits that n * it is exact; the rest of ln 2 follows.
  const float r = Fma(n, -1.42860682e-06f, Fma(n, -0.693145751953125f, clamped));
  float p = 1.0f / 5040.0f;
  p = Fma(p, r, 1.0f / 720.0f);
  p = Fma(p, r, 1.0f / 120.0f);
  p = Fma(p, r, 1.0f / 24.0f);
  p = Fma(p, r, 1.0f / 6.0f);
  p = Fma(p, r, 0.5f);
  p = Fma(p, r, 1.0f);
  p = Fma(p, r, 1.0f);
  const auto exponent = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  return in_range ? p * std::bit_cast<float>(exponent) : 0.0f;
}

// The 16 partial sums of a float sum, and their join.
static inline float Reduce16(float* sums) {
  for (size_t i = 0; i < 8; ++i) sums[i] += sums[i + 8];
  for (size_t i = 0; i < 4; ++i) sums[i] += sums[i + 4];
  for (size_t i = 0; i < 2; ++i) sums[i] += sums[i + 2];
  return sums[0] + sums[1];
}

// sin(x) and cos(x), error below 0.51 units in the last place of a float for |x| <= 2^24. Reduced
// and evaluated in double, so that the result hardly ever depends on the last bit of the way there.
void SinCos(float x, float* sine, float* cosine);

// exp(x) in double, relative error below 1e-14, for |x| <= 700.
double ExpDouble(double x);

// ln(x) in double, relative error below 1e-14, for finite x > 0.
double LogDouble(double x);

}  // namespace clamma

#endif  // CLAMMA_KERNELS_MATH_H_
