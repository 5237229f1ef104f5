// SPDX-License-Identifier: MIT
// Generates rows of GGUF weight types: random bytes, except for their scales.
#ifndef CLAMMA_TESTS_SUPPORT_RANDOM_BLOCKS_H_
#define CLAMMA_TESTS_SUPPORT_RANDOM_BLOCKS_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/half.h"
#include "kernels/weight_types.h"

namespace clamma_test {

inline constexpr clamma::WeightType kBlockTypes[] = {
    clamma::WeightType::kF16,  clamma::WeightType::kBF16,   clamma::WeightType::kQ8_0,
    clamma::WeightType::kQ4_0, clamma::WeightType::kQ4_1,   clamma::WeightType::kQ5_0,
    clamma::WeightType::kQ5_1, clamma::WeightType::kIQ4_NL, clamma::WeightType::kMXFP4,
    clamma::WeightType::kQ4_K, clamma::WeightType::kQ5_K,   clamma::WeightType::kQ6_K,
    clamma::WeightType::kQ2_K, clamma::WeightType::kQ3_K,   clamma::WeightType::kIQ4_XS};

// The offsets of a block's half-precision numbers: its scale, and its minimum; -1: none.
struct Halves {
  int scale, min;
};
inline Halves HalvesOf(clamma::WeightType type) {
  switch (type) {
    case clamma::WeightType::kF16:
    case clamma::WeightType::kQ8_0:
    case clamma::WeightType::kQ4_0:
    case clamma::WeightType::kQ5_0:
    case clamma::WeightType::kIQ4_NL:
    case clamma::WeightType::kIQ4_XS:
      return {0, -1};
    case clamma::WeightType::kQ4_1:
    case clamma::WeightType::kQ5_1:
    case clamma::WeightType::kQ4_K:
    case clamma::WeightType::kQ5_K:
      return {0, 2};
    case clamma::WeightType::kQ6_K:
      return {208, -1};
    case clamma::WeightType::kQ2_K:
      return {80, 82};
    case clamma::WeightType::kQ3_K:
      return {108, -1};
    default:
      return {-1, -1};
  }
}

inline void PutLe16(uint8_t* p, uint16_t value) {
  p[0] = static_cast<uint8_t>(value);
  p[1] = static_cast<uint8_t>(value >> 8);
}

// Fills whole blocks of `size` bytes in total. scale() and min() return the floats for scales, for
// F16 and BF16, and for MXFP4's exponents; byte() returns all other bytes.
template <typename Byte, typename Scale, typename Min>
void FillBlocks(clamma::WeightType type, uint8_t* bytes, size_t size, const Byte& byte,
                const Scale& scale, const Min& min) {
  const Halves halves = HalvesOf(type);
  for (size_t i = 0; i < size; ++i) bytes[i] = byte();
  for (uint8_t* const end = bytes + size; bytes < end; bytes += clamma::FactsOf(type).block_bytes) {
    if (halves.scale >= 0) PutLe16(bytes + halves.scale, clamma::FloatToHalf(scale()));
    if (halves.min >= 0) PutLe16(bytes + halves.min, clamma::FloatToHalf(min()));
    if (type == clamma::WeightType::kBF16) {
      PutLe16(bytes, static_cast<uint16_t>(std::bit_cast<uint32_t>(scale()) >> 16));
    }
    if (type == clamma::WeightType::kMXFP4) {  // 2^(e - 128)
      const int exponent = 128 + std::ilogb(std::max(std::abs(scale()), 0x1p-20f));
      bytes[0] = static_cast<uint8_t>(exponent);
    }
  }
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_RANDOM_BLOCKS_H_
