// SPDX-License-Identifier: MIT
// Q4_K: f16 d, dmin; u8 a[12] (see DecodeSixBitScales()); u8 q[128]: per 64 columns 32 low
// nibbles, then 32 high ones. Value: d s q - dmin m.
#ifndef CLAMMA_KERNELS_FORMATS_Q4_K_H_
#define CLAMMA_KERNELS_FORMATS_Q4_K_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct Q4_K {
  static constexpr WeightType kType = WeightType::kQ4_K;
  static constexpr size_t kCols = 256, kBytes = 144, kGroup = 32, kMinGroup = 32;
  static constexpr size_t kChunkCols = 64;
  static constexpr bool kSigned = false, kHasMin = true;
  static constexpr int kMax = 15, kZero = 0;

  static void Decode(const uint8_t* block, Block* out) {
    DecodeSixBitScales(block, out);
    const uint8_t* q = block + 16;
    for (size_t k = 0; k < kCols; k += 64, q += 32) {
      for (size_t l = 0; l < 32; ++l) {
        out->q[k + l] = static_cast<int8_t>(q[l] & 15);
        out->q[k + 32 + l] = static_cast<int8_t>(q[l] >> 4);
      }
    }
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t chunk,
                     typename V::Int (&steps)[16]) {
    typename V::Int bytes[8];
    V::template LoadTransposed<8>(bytes, rows + 16 + 32 * chunk, stride);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) {
      steps[i] = V::LowNibbles(bytes[i]);
      steps[i + 8] = V::HighNibbles(bytes[i]);
    }
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, Q4_K>* out) {
    LoadSixBitScales(rows, stride, out);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_Q4_K_H_
