// SPDX-License-Identifier: MIT
// Q5_K: f16 d, dmin; u8 a[12] (see DecodeSixBitScales()); u8 h[32]; u8 q[128] as in Q4_K. Bit
// 2k (2k + 1) of h[l] is bit 4 of column l of the low (high) nibbles of 64 columns k. Value:
// d s q - dmin m.
#ifndef CLAMMA_KERNELS_FORMATS_Q5_K_H_
#define CLAMMA_KERNELS_FORMATS_Q5_K_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct Q5_K {
  static constexpr WeightType kType = WeightType::kQ5_K;
  static constexpr size_t kCols = 256, kBytes = 176, kGroup = 32, kMinGroup = 32;
  static constexpr size_t kChunkCols = 64;
  static constexpr bool kSigned = false, kHasMin = true;
  static constexpr int kMax = 31, kZero = 0;

  static void Decode(const uint8_t* block, Block* out) {
    DecodeSixBitScales(block, out);
    const uint8_t* h = block + 16;
    const uint8_t* q = block + 48;
    for (size_t k = 0; k < 4; ++k, q += 32) {
      for (size_t l = 0; l < 32; ++l) {
        out->q[64 * k + l] = static_cast<int8_t>((q[l] & 15) | (h[l] >> 2 * k & 1) << 4);
        out->q[64 * k + 32 + l] = static_cast<int8_t>(q[l] >> 4 | (h[l] >> (2 * k + 1) & 1) << 4);
      }
    }
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t chunk,
                     typename V::Int (&steps)[16]) {
    typename V::Int bytes[8];
    typename V::Int bits[8];
    V::template LoadTransposed<8>(bytes, rows + 48 + 32 * chunk, stride);
    V::template LoadTransposed<8>(bits, rows + 16, stride);
    const typename V::Int fifth = V::SetBytes(16);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) {
      // Bits 2 * chunk and 2 * chunk + 1 as bits 4 and 5.
      const typename V::Int two =
          chunk < 2 ? V::ShiftLeft(bits[i], 4 - 2 * chunk) : V::ShiftRight(bits[i], 2 * chunk - 4);
      steps[i] = V::Or(V::LowNibbles(bytes[i]), V::And(two, fifth));
      steps[i + 8] = V::Or(V::HighNibbles(bytes[i]), V::And(V::ShiftRight(two, 1), fifth));
    }
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, Q5_K>* out) {
    LoadSixBitScales(rows, stride, out);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_Q5_K_H_
