// SPDX-License-Identifier: MIT
// Conversions of IEEE 754 half precision in portable C++. They give the same values as the
// hardware's.
#ifndef CLAMMA_KERNELS_HALF_H_
#define CLAMMA_KERNELS_HALF_H_

#include <cstdint>
#include <cstring>

namespace clamma {

static inline float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) {  // infinity, NaN
    return __builtin_bit_cast(float, sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  }
  // The bits make a float whose exponent is 112 too small. The multiplication is exact, and also
  // normalises subnormals.
  const float scaled = __builtin_bit_cast(float, magnitude << 13) * 0x1p112f;
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(uint32_t, scaled));
}

// Rounds to nearest, ties to even. A value that is too large becomes infinity.
static inline uint16_t FloatToHalf(float value) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // a NaN becomes a quiet NaN
    return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
  }
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // >= 65520
  if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5 rounds it to a multiple of 2^-24
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (__builtin_bit_cast(uint32_t, shifted) - 0x3f000000u));
  }
  const uint32_t odd = (magnitude >> 13) & 1u;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

static inline float LoadHalf(const uint8_t* p) {
  uint16_t half = 0;
  std::memcpy(&half, p, sizeof(half));
  return HalfToFloat(half);
}

// Loads a bfloat16, which is the upper half of a float.
static inline float LoadBFloat16(const uint8_t* p) {
  uint16_t upper = 0;
  std::memcpy(&upper, p, sizeof(upper));
  return __builtin_bit_cast(float, static_cast<uint32_t>(upper) << 16);
}

}  // namespace clamma

#endif  // CLAMMA_KERNELS_HALF_H_
