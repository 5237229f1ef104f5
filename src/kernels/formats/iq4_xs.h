// SPDX-License-Identifier: MIT
// IQ4_XS: f16 d; u16 h; u8 a[4]; u8 q[128], of each 32 columns 16 as in IQ4_NL. A scale for 32
// columns has six bits, less 32: the low four of scale j are a nibble of a[j / 2], of even j the
// low one, and the high two are bits 2j and 2j + 1 of h. Value: d s T[q] with IQ4_NL's table T.
#ifndef CLAMMA_KERNELS_FORMATS_IQ4_XS_H_
#define CLAMMA_KERNELS_FORMATS_IQ4_XS_H_

#include "kernels/formats/iq4_nl.h"

namespace clamma {
namespace {
namespace formats {

struct IQ4_XS {
  static constexpr WeightType kType = WeightType::kIQ4_XS;
  static constexpr size_t kCols = 256, kBytes = 136, kGroup = 32, kChunkCols = 64;
  static constexpr bool kSigned = true, kHasMin = false;

  static void Decode(const uint8_t* block, Block* out) {
    out->d = LoadLeHalf(block);
    const unsigned high = LoadLe16(block + 2);
    for (size_t j = 0; j < 8; ++j) {
      const unsigned low = block[4 + j / 2] >> j % 2 * 4 & 15;
      out->scales[j] = static_cast<int8_t>((low | (high >> 2 * j & 3) << 4) - 32);
      DecodeNibbles(block + 8 + 16 * j, out->q + 32 * j);
    }
    for (int8_t& q : out->q) q = IQ4_NL::kTable[q];
  }

  template <typename V>
  static void Expand(const uint8_t* rows, size_t stride, size_t chunk,
                     typename V::Int (&steps)[16]) {
    typename V::Int bytes[8];
    V::template LoadTransposed<8>(bytes, rows + 8 + 32 * chunk, stride);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; ++i) {
      const size_t at = i % 4 + i / 4 * 8;
      steps[at] = V::LookUp(IQ4_NL::kTable, V::LowNibbles(bytes[i]));
      steps[at + 4] = V::LookUp(IQ4_NL::kTable, V::HighNibbles(bytes[i]));
    }
  }

  template <typename V>
  static void LoadScales(const uint8_t* rows, size_t stride, RowScales<V, IQ4_XS>* out) {
    using Int = typename V::Int;
    Int header[4];  // d and h; a; the first bytes of q
    V::template LoadTransposed<4>(header, rows, stride);
    out->d = V::LowHalves(header[0]);
    const Int low[2] = {V::LowNibbles(header[1]), V::HighNibbles(header[1])};
    Int high[4];  // of scales k and k + 4 in bytes 2 and 3
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; ++k) {
      const Int two = V::And(V::ShiftRight(header[0], 2 * k), V::SetBytes(3));
      high[k] = V::LookUp(kHighBitsOfScale, two);
    }
    out->scales[0] = Join<V, 0>(low, high);
    out->scales[1] = Join<V, 1>(low, high);
    out->scales[2] = Join<V, 2>(low, high);
    out->scales[3] = Join<V, 3>(low, high);
    out->scales[4] = Join<V, 4>(low, high);
    out->scales[5] = Join<V, 5>(low, high);
    out->scales[6] = Join<V, 6>(low, high);
    out->scales[7] = Join<V, 7>(low, high);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      out->pairs[i] = V::Or(V::And(out->scales[2 * i], V::SetInt(0xffff)),
                            V::template ShiftLanesLeft<16>(out->scales[2 * i + 1]));
    }
  }

 private:
  // A scale, of the nibbles and the high bits of all.
  template <typename V, size_t kScale>
  static typename V::Scale Join(const typename V::Int (&low)[2], const typename V::Int (&high)[4]) {
    return V::Or(V::template ScaleOfByte<kScale / 2>(low[kScale % 2]),
                 V::template SignedScaleOfByte<2 + kScale / 4>(high[kScale % 4]));
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_IQ4_XS_H_
