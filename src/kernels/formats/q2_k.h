// SPDX-License-Identifier: MIT
// Q2_K: u8 a[16], of each 16 columns the scale in the low nibble and the minimum in the high one;
// u8 q[64]; f16 d, dmin. Bits 2k and 2k + 1 of q[l] are column 32k + l of the first 128 columns,
// those of q[32 + l] of the second. Value: d s q - dmin m.
#ifndef CLAMMA_KERNELS_FORMATS_Q2_K_H_
#define CLAMMA_KERNELS_FORMATS_Q2_K_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct Q2_K {
  static constexpr WeightType kType = WeightType::kQ2_K;
  static constexpr size_t kCols = 256, kBytes = 84, kGroup = 16, kMinGroup = 16;
  static constexpr size_t kChunkCols = 128;
  static constexpr bool kSigned = false, kHasMin = true;
  static constexpr int kMax = 3, kZero = 0;

  static void Decode(const uint8_t* block, Block* out) {
    for (size_t j = 0; j < 16; ++j) {
      out->scales[j] = static_cast<int8_t>(block[j] & 15);
      out->mins[j] = block[j] >> 4;
    }
    for (size_t c = 0; c < kCols; ++c) {
      const uint8_t four = block[16 + c / 128 * 32 + c % 32];
      out->q[c] = static_cast<int8_t>(four >> c % 128 / 32 * 2 & 3);
    }
    DecodeScaleAndMin(block + 80, out);
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t chunk,
                     typename V::Int (&steps)[32]) {
    typename V::Int bytes[8];
    V::template LoadTransposed<8>(bytes, rows + 16 + 32 * chunk, stride);
    const typename V::Int two = V::SetBytes(3);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) {
      steps[i] = V::And(bytes[i], two);
      steps[i + 8] = V::And(V::ShiftRight(bytes[i], 2), two);
      steps[i + 16] = V::And(V::ShiftRight(bytes[i], 4), two);
      steps[i + 24] = V::And(V::ShiftRight(bytes[i], 6), two);
    }
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, Q2_K>* out) {
    typename V::Int bytes[4];
    V::template LoadTransposed<4>(bytes, rows, stride);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      const typename V::Int scales = V::LowNibbles(bytes[i]);
      const typename V::Int mins = V::HighNibbles(bytes[i]);
      out->scales[4 * i] = V::template ScaleOfByte<0>(scales);
      out->scales[4 * i + 1] = V::template ScaleOfByte<1>(scales);
      out->scales[4 * i + 2] = V::template ScaleOfByte<2>(scales);
      out->scales[4 * i + 3] = V::template ScaleOfByte<3>(scales);
      out->pairs[2 * i] = V::template PairOfBytes<0>(mins);
      out->pairs[2 * i + 1] = V::template PairOfBytes<1>(mins);
    }
    LoadScaleAndMin(rows + 80, stride, out);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_Q2_K_H_
