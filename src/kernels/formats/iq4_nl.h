// SPDX-License-Identifier: MIT
// IQ4_NL: f16 d; u8 q[16]. Value: d T[q] with a table T that is not linear.
#ifndef CLAMMA_KERNELS_FORMATS_IQ4_NL_H_
#define CLAMMA_KERNELS_FORMATS_IQ4_NL_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct IQ4_NL {
  static constexpr WeightType kType = WeightType::kIQ4_NL;
  static constexpr size_t kCols = 32, kBytes = 18, kGroup = kCols, kChunkCols = kCols;
  static constexpr bool kSigned = true, kHasMin = false;
  static constexpr int8_t kTable[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};

  static void Decode(const uint8_t* block, Block* out) {
    out->d = LoadLeHalf(block);
    DecodeNibbles(block + 2, out->q);
    for (size_t j = 0; j < kCols; ++j) out->q[j] = kTable[out->q[j]];
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t /*chunk*/,
                     typename V::Int (&steps)[8]) {
    ExpandNibbles<V>(rows + 2, stride, steps);
#pragma GCC unroll 8
    for (auto& step : steps) step = V::LookUp(kTable, step);
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, IQ4_NL>* out) {
    out->d = V::LoadHalves(rows, stride);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_IQ4_NL_H_
