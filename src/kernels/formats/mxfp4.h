// SPDX-License-Identifier: MIT
// MXFP4: u8 e; u8 q[16], numbers of 4 bits with an exponent. Value: F[q] 2^(e - 128).
// (OCP Microscaling Formats (MX) Specification 1.0; F holds its values doubled.)
#ifndef CLAMMA_KERNELS_FORMATS_MXFP4_H_
#define CLAMMA_KERNELS_FORMATS_MXFP4_H_

#include "kernels/formats/format.h"

namespace clamma {
namespace {
namespace formats {

struct MXFP4 {
  static constexpr WeightType kType = WeightType::kMXFP4;
  static constexpr size_t kCols = 32, kBytes = 17, kGroup = kCols, kChunkCols = kCols;
  static constexpr bool kSigned = false, kHasMin = false;
  static constexpr int kMax = 24, kZero = 12;
  static constexpr int8_t kTable[16] = {12, 13, 14, 15, 16, 18, 20, 24,  // F[q] + kZero
                                        12, 11, 10, 9,  8,  6,  4,  0};

  // 2^(e - 128), subnormal for e < 2.
  static float PowerOf(uint8_t e) {
    const uint32_t bits = e < 2 ? 0x00200000u << e : static_cast<uint32_t>(e - 1) << 23;
    return __builtin_bit_cast(float, bits);
  }

  static void Decode(const uint8_t* block, Block* out) {
    out->d = PowerOf(block[0]);
    DecodeNibbles(block + 1, out->q);
    for (size_t j = 0; j < kCols; ++j) out->q[j] = static_cast<int8_t>(kTable[out->q[j]] - kZero);
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t /*chunk*/,
                     typename V::Int (&steps)[8]) {
    ExpandNibbles<V>(rows + 1, stride, steps);
#pragma GCC unroll 8
    for (auto& step : steps) step = V::LookUp(kTable, step);
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, MXFP4>* out) {
    using Int = typename V::Int;
    Int exponents[1];
    V::template LoadTransposed<1>(exponents, rows, stride);
    const Int e = V::And(exponents[0], V::SetInt(0xff));
    // PowerOf(): `normal` is -infinity for e = 0, and 0 for 1; from 2 on it is the larger one.
    const Int normal = V::SubInt(V::template ShiftLanesLeft<23>(e), V::SetInt(1 << 23));
    const Int subnormal = V::AddInt(V::template ShiftLanesLeft<21>(e), V::SetInt(1 << 21));
    out->d = V::Max(V::AsFloat(normal), V::AsFloat(subnormal));
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_MXFP4_H_
