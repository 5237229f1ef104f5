// SPDX-License-Identifier: MIT
// Q6_K: u8 l[128]; u8 h[64]; i8 s[16]; f16 d. Of each 128 columns, with 64 bytes of l and 32 of h:
// column j < 32 has the low nibble of l[j] and bits 0-1 of h[j]; column j + 32 the low nibble of
// l[j + 32] and bits 2-3; j + 64 the high nibble of l[j] and bits 4-5; j + 96 the high nibble of
// l[j + 32] and bits 6-7. Value: d s (q - 32), a scale for 16 columns.
#ifndef CLAMMA_KERNELS_FORMATS_Q6_K_H_
#define CLAMMA_KERNELS_FORMATS_Q6_K_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct Q6_K {
  static constexpr WeightType kType = WeightType::kQ6_K;
  static constexpr size_t kCols = 256, kBytes = 210, kGroup = 16, kChunkCols = 128;
  static constexpr bool kSigned = false, kHasMin = false;
  static constexpr int kMax = 63, kZero = 32;

  static void Decode(const uint8_t* block, Block* out) {
    for (size_t half = 0; half < 2; ++half) {
      const uint8_t* l = block + 64 * half;
      const uint8_t* h = block + 128 + 32 * half;
      int8_t* q = out->q + 128 * half;
      for (size_t j = 0; j < 32; ++j) {
        q[j] = static_cast<int8_t>(((l[j] & 15) | (h[j] & 3) << 4) - kZero);
        q[j + 32] = static_cast<int8_t>(((l[j + 32] & 15) | (h[j] >> 2 & 3) << 4) - kZero);
        q[j + 64] = static_cast<int8_t>((l[j] >> 4 | (h[j] >> 4 & 3) << 4) - kZero);
        q[j + 96] = static_cast<int8_t>((l[j + 32] >> 4 | h[j] >> 6 << 4) - kZero);
      }
    }
    __builtin_memcpy(out->scales, block + 192, 16);
    out->d = LoadLeHalf(block + 208);
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t chunk,
                     typename V::Int (&steps)[32]) {
    using Int = typename V::Int;
    const Int two = V::SetBytes(0x30);
    const uint8_t* low = rows + 64 * chunk;
    const uint8_t* high = rows + 128 + 32 * chunk;
    Int a[8];
    Int b[8];
    Int h[8];
    V::template LoadTransposed<8>(a, low, stride);
    V::template LoadTransposed<8>(b, low + 32, stride);
    V::template LoadTransposed<8>(h, high, stride);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) {
      steps[i] = V::Or(V::LowNibbles(a[i]), V::And(V::ShiftLeft(h[i], 4), two));
      steps[i + 8] = V::Or(V::LowNibbles(b[i]), V::And(V::ShiftLeft(h[i], 2), two));
      steps[i + 16] = V::Or(V::HighNibbles(a[i]), V::And(h[i], two));
      steps[i + 24] = V::Or(V::HighNibbles(b[i]), V::And(V::ShiftRight(h[i], 2), two));
    }
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, Q6_K>* out) {
    typename V::Int bytes[4];
    V::template LoadTransposed<4>(bytes, rows + 192, stride);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      out->scales[4 * i] = V::template SignedScaleOfByte<0>(bytes[i]);
      out->scales[4 * i + 1] = V::template SignedScaleOfByte<1>(bytes[i]);
      out->scales[4 * i + 2] = V::template SignedScaleOfByte<2>(bytes[i]);
      out->scales[4 * i + 3] = V::template SignedScaleOfByte<3>(bytes[i]);
      out->pairs[2 * i] = V::template PairOfSignedBytes<0>(bytes[i]);
      out->pairs[2 * i + 1] = V::template PairOfSignedBytes<1>(bytes[i]);
    }
    typename V::Int last[1];
    V::template LoadTransposed<1>(last, rows + 206, stride);
    out->d = V::HighHalves(last[0]);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_Q6_K_H_
