// SPDX-License-Identifier: MIT
// Q5_1: f16 d, m; u8 h[4]; u8 q[16]. Bit j of h is bit 4 of column j. Value: d q + m.
#ifndef CLAMMA_KERNELS_FORMATS_Q5_1_H_
#define CLAMMA_KERNELS_FORMATS_Q5_1_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct Q5_1 {
  static constexpr WeightType kType = WeightType::kQ5_1;
  static constexpr size_t kCols = 32, kBytes = 24, kGroup = kCols, kChunkCols = kCols;
  static constexpr bool kSigned = false, kHasMin = true;
  static constexpr int kMax = 31, kZero = 0;

  static void Decode(const uint8_t* block, Block* out) {
    DecodeScaleAndMin(block, out);
    DecodeNibbles(block + 8, out->q);
    DecodeFifthBits(block + 4, out->q);
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t /*chunk*/,
                     typename V::Int (&steps)[8]) {
    ExpandNibbles<V>(rows + 8, stride, steps);
    ExpandFifthBits<V>(rows + 4, stride, steps);
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, Q5_1>* out) {
    LoadScaleAndMin(rows, stride, out);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_Q5_1_H_
