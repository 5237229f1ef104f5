// SPDX-License-Identifier: MIT
// Q8_0: f16 d; i8 q[32]. Value: d q.
#ifndef CLAMMA_KERNELS_FORMATS_Q8_0_H_
#define CLAMMA_KERNELS_FORMATS_Q8_0_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct Q8_0 {
  static constexpr WeightType kType = WeightType::kQ8_0;
  static constexpr size_t kCols = 32, kBytes = 34, kGroup = kCols, kChunkCols = kCols;
  static constexpr bool kSigned = true, kHasMin = false;

  static void Decode(const uint8_t* block, Block* out) {
    out->d = LoadLeHalf(block);
    __builtin_memcpy(out->q, block + 2, kCols);
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t /*chunk*/,
                     typename V::Int (&steps)[8]) {
    V::template LoadTransposed<8>(steps, rows + 2, stride);
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, Q8_0>* out) {
    out->d = V::LoadHalves(rows, stride);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_Q8_0_H_
