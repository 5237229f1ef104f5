// SPDX-License-Identifier: MIT
// Q3_K: u8 h[32]; u8 q[64] as in Q2_K; u8 a[12]; f16 d. Bit k of h[l] is bit 2 of column 32k + l. A
// scale for 16 columns has six bits, less 32: the low four are the nibbles of a[0 .. 7], first the
// low ones; the high two of scale j are bits 2k and 2k + 1 of a[8 + j % 4], k = j / 4. Value:
// d s (q - 4).
#ifndef CLAMMA_KERNELS_FORMATS_Q3_K_H_
#define CLAMMA_KERNELS_FORMATS_Q3_K_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct Q3_K {
  static constexpr WeightType kType = WeightType::kQ3_K;
  static constexpr size_t kCols = 256, kBytes = 110, kGroup = 16, kChunkCols = 128;
  static constexpr bool kSigned = false, kHasMin = false;
  static constexpr int kMax = 7, kZero = 4;

  static void Decode(const uint8_t* block, Block* out) {
    const uint8_t* q = block + 32;
    const uint8_t* a = block + 96;
    for (size_t c = 0; c < kCols; ++c) {
      const int low = q[c / 128 * 32 + c % 32] >> c % 128 / 32 * 2 & 3;
      const int high = block[c % 32] >> c / 32 & 1;
      out->q[c] = static_cast<int8_t>((low | high << 2) - kZero);
    }
    for (size_t j = 0; j < 16; ++j) {
      const int low = j < 8 ? a[j] & 15 : a[j - 8] >> 4;
      const int high = a[8 + j % 4] >> j / 4 * 2 & 3;
      out->scales[j] = static_cast<int8_t>((low | high << 4) - 32);
    }
    out->d = LoadLeHalf(block + 108);
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t chunk,
                     typename V::Int (&steps)[32]) {
    using Int = typename V::Int;
    Int bytes[8];
    Int bits[8];
    V::template LoadTransposed<8>(bytes, rows + 32 + 32 * chunk, stride);
    V::template LoadTransposed<8>(bits, rows, stride);
    const Int two = V::SetBytes(3);
    const Int third = V::SetBytes(4);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) {
      // Bits 4 * chunk to 4 * chunk + 3 as bits 2 to 5.
      const Int four = chunk == 0 ? V::ShiftLeft(bits[i], 2) : V::ShiftRight(bits[i], 2);
      steps[i] = V::Or(V::And(bytes[i], two), V::And(four, third));
      steps[i + 8] =
          V::Or(V::And(V::ShiftRight(bytes[i], 2), two), V::And(V::ShiftRight(four, 1), third));
      steps[i + 16] =
          V::Or(V::And(V::ShiftRight(bytes[i], 4), two), V::And(V::ShiftRight(four, 2), third));
      steps[i + 24] =
          V::Or(V::And(V::ShiftRight(bytes[i], 6), two), V::And(V::ShiftRight(four, 3), third));
    }
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, Q3_K>* out) {
    using Int = typename V::Int;
    Int a[4];  // the last bytes of q; a[0 .. 3]; a[4 .. 7]; a[8 .. 11]
    V::template LoadTransposed<4>(a, rows + 92, stride);
    const Int low[4] = {V::LowNibbles(a[1]), V::LowNibbles(a[2]), V::HighNibbles(a[1]),
                        V::HighNibbles(a[2])};
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      const Int high =
          V::LookUp(kHighBitsOfScale, V::And(V::ShiftRight(a[3], 2 * i), V::SetBytes(3)));
      const Int scales = V::Or(low[i], high);
      out->scales[4 * i] = V::template SignedScaleOfByte<0>(scales);
      out->scales[4 * i + 1] = V::template SignedScaleOfByte<1>(scales);
      out->scales[4 * i + 2] = V::template SignedScaleOfByte<2>(scales);
      out->scales[4 * i + 3] = V::template SignedScaleOfByte<3>(scales);
      out->pairs[2 * i] = V::template PairOfSignedBytes<0>(scales);
      out->pairs[2 * i + 1] = V::template PairOfSignedBytes<1>(scales);
    }
    Int last[1];
    V::template LoadTransposed<1>(last, rows + 106, stride);
    out->d = V::HighHalves(last[0]);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_Q3_K_H_
