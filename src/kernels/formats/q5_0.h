// SPDX-License-Identifier: MIT
// Q5_0: f16 d; u8 h[4]; u8 q[16]. Bit j of h is bit 4 of column j. Value: d (q - 16).
#ifndef CLAMMA_KERNELS_FORMATS_Q5_0_H_
#define CLAMMA_KERNELS_FORMATS_Q5_0_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct Q5_0 {
  static constexpr WeightType kType = WeightType::kQ5_0;
  static constexpr size_t kCols = 32, kBytes = 22, kGroup = kCols, kChunkCols = kCols;
  static constexpr bool kSigned = false, kHasMin = false;
  static constexpr int kMax = 31, kZero = 16;

  static void Decode(const uint8_t* block, Block* out) {
    out->d = LoadLeHalf(block);
    DecodeNibbles(block + 6, out->q);
    DecodeFifthBits(block + 2, out->q);
    for (size_t j = 0; j < kCols; ++j) out->q[j] = static_cast<int8_t>(out->q[j] - kZero);
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t /*chunk*/,
                     typename V::Int (&steps)[8]) {
    ExpandNibbles<V>(rows + 6, stride, steps);
    ExpandFifthBits<V>(rows + 2, stride, steps);
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, Q5_0>* out) {
    out->d = V::LoadHalves(rows, stride);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_Q5_0_H_
