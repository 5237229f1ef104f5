// SPDX-License-Identifier: MIT
// Our own elementary functions. They use IEEE operations only, so that every machine computes the
// same bits. They are static, not merely inline, because files that are compiled for different
// instruction sets must not share them.
#ifndef CLAMMA_KERNELS_MATH_H_
#define CLAMMA_KERNELS_MATH_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace clamma {

// Whether the target that this file is compiled for has an fma instruction.
static constexpr bool HasFma() {
#if defined(__FMA__) || defined(__aarch64__) || defined(__ARM_FEATURE_FMA) || \
    defined(__s390x__) || defined(__riscv_flen) || defined(__powerpc64__)
  return true;
#else
  return false;
#endif
}

// a * b + c, rounded once. Without an fma instruction it is computed in double: the product is
// exact, and the sum is rounded to odd, which makes the second rounding harmless (Boldo, Melquiond:
// Emulation of FMA and correctly rounded sums, 2008).
static inline float Fma(float a, float b, float c) {
  if constexpr (HasFma()) return __builtin_fmaf(a, b, c);
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const auto addend = static_cast<double>(c);
  const double sum = product + addend;
  const double of_addend = sum - product;
  const double error = (product - (sum - of_addend)) + (addend - of_addend);
  auto bits = __builtin_bit_cast(uint64_t, sum);
  const bool inexact = error > 0 || error < 0;
  if (inexact && (bits & 1) == 0) bits += (error > 0) == (sum > 0) ? 1 : UINT64_MAX;
  return static_cast<float>(__builtin_bit_cast(double, bits));
}

// Loads a float at any alignment, in this machine's byte order.
static inline float LoadF32(const uint8_t* p) {
  float value = 0;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

// The bits of 2^(i / 32), rounded to double, minus i * 2^47. Adding n * 2^47 gives the bits of 2^(n
// / 32), where i = n mod 32.
struct Exp2Table {
  static constexpr size_t kEntries = 32;

  constexpr Exp2Table() {
    for (size_t i = 0; i < kEntries; ++i) {
      bits[i] = __builtin_bit_cast(uint64_t, kPowers[i]) - (uint64_t{i} << 47);
    }
  }

  uint64_t bits[kEntries] = {};

 private:
  static constexpr double kPowers[kEntries] = {
      0x1.0000000000000p+0, 0x1.059b0d3158574p+0, 0x1.0b5586cf9890fp+0, 0x1.11301d0125b51p+0,
      0x1.172b83c7d517bp+0, 0x1.1d4873168b9aap+0, 0x1.2387a6e756238p+0, 0x1.29e9df51fdee1p+0,
      0x1.306fe0a31b715p+0, 0x1.371a7373aa9cbp+0, 0x1.3dea64c123422p+0, 0x1.44e086061892dp+0,
      0x1.4bfdad5362a27p+0, 0x1.5342b569d4f82p+0, 0x1.5ab07dd485429p+0, 0x1.6247eb03a5585p+0,
      0x1.6a09e667f3bcdp+0, 0x1.71f75e8ec5f74p+0, 0x1.7a11473eb0187p+0, 0x1.82589994cce13p+0,
      0x1.8ace5422aa0dbp+0, 0x1.93737b0cdc5e5p+0, 0x1.9c49182a3f090p+0, 0x1.a5503b23e255dp+0,
      0x1.ae89f995ad3adp+0, 0x1.b7f76f2fb5e47p+0, 0x1.c199bdd85529cp+0, 0x1.cb720dcef9069p+0,
      0x1.d5818dcfba487p+0, 0x1.dfc97337b9b5fp+0, 0x1.ea4afa2a490dap+0, 0x1.f50765b6e4540p+0,
  };
};
static constexpr Exp2Table kExp2Table;

// exp(x) with an error below 0.502 units in the last place; 0 below -104 and for NaN, infinity
// above 88.73. Let n be the integer nearest to 32 x / ln 2, and r the remainder. Then exp(x) = 2^(n
// / 32) * 2^(r / 32). The first factor is a table entry times a power of two. The second is the
// cubic with the least relative error on |r| <= 1/2, 1.7 * 2^-34 (Remez; the scheme is that of Gal
// and Bachelis: An accurate elementary mathematical library for the IEEE floating point standard,
// 1991).
static inline float Exp(float x) {
  // Beyond these bounds the conversion to float gives 0 and infinity.
  const float low = x > -104.0f ? x : -104.0f;
  const auto wide = static_cast<double>(low < 89.0f ? low : 89.0f);
  constexpr double kMagic = 6755399441055744.0;       // 1.5 * 2^52: adding it rounds to an integer
  const double scaled = wide * 0x1.71547652b82fep+5;  // 32 / ln 2
  const double shifted = scaled + kMagic;
  const double r = scaled - (shifted - kMagic);
  const double square = r * r;
  const double high = 0x1.c6af84b9562e4p-20 * r + 0x1.ebfce51010eadp-13;
  const double factor = high * square + (0x1.62e42ff0c52dfp-6 * r + 1.0);
  // The low bits of `shifted` are n.
  const auto n = __builtin_bit_cast(uint64_t, shifted);
  const uint64_t power = kExp2Table.bits[n % 32] + (n << 47);
  return static_cast<float>(factor * __builtin_bit_cast(double, power));
}

// Joins the 16 partial sums of a dot product by halves. Overwrites them.
static inline float Reduce16(float* sums) {
  for (size_t i = 0; i < 8; ++i) sums[i] += sums[i + 8];
  for (size_t i = 0; i < 4; ++i) sums[i] += sums[i + 4];
  for (size_t i = 0; i < 2; ++i) sums[i] += sums[i + 2];
  return sums[0] + sums[1];
}

// sin(x) and cos(x) with an error below 0.561 units in the last place for |x| <= 2^24. Computed in
// double.
void SinCos(float x, float* sine, float* cosine);

// exp(x) in double, with a relative error below 1e-14 for |x| <= 700.
double ExpDouble(double x);

// ln(x) in double, with a relative error below 1e-14 for finite x > 0.
double LogDouble(double x);

}  // namespace clamma

#endif  // CLAMMA_KERNELS_MATH_H_
