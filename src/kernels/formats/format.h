// SPDX-License-Identifier: MIT
// What the formats of quantised weights have in common. A format F is a struct with
//
//   kType               its WeightType
//   kCols, kBytes       columns and bytes of a block: 32 columns, or 256 ("super-block")
//   kGroup              columns that share an integer scale; kCols where there is none
//   kSigned             whether Expand() gives int8; else it gives 0 .. kMax
//   kMax, kZero         then the largest number, and the one that stands for 0
//   kHasMin             whether a block has minima
//   kMinGroup           columns of a super-block that share a minimum, where there are minima
//   kChunkCols          columns that Expand() gives at a time, a multiple of kGroup
//
//   void Decode(const uint8_t* block, Block* out)
//       The block's numbers, in plain C++: right on every machine.
//   void Expand<V>(const uint8_t* rows, size_t stride, size_t chunk,
//                  V::Int (&steps)[kChunkCols / 4])
//       The same in registers of a unit V: step s holds, of one block of each of V::kLanes rows
//       that lie `stride` bytes apart, columns 4s .. 4s + 3 of the chunk, a row a lane.
//   void LoadScales<V>(const uint8_t* rows, size_t stride, RowScales<V, F>* out)
//       What the same blocks multiply their sums by.
//
// Where the numbers of blocks come from: https://github.com/ggml-org/ggml (ggml-common.h).
#ifndef CLAMMA_KERNELS_FORMATS_FORMAT_H_
#define CLAMMA_KERNELS_FORMATS_FORMAT_H_

#include "kernels/half.h"
#include "kernels/kernels.h"

namespace clamma {
namespace {
namespace formats {

constexpr size_t kSmallBlock = 32;   // columns
constexpr size_t kSuperBlock = 256;  // columns
constexpr size_t kMaxGroups = 16;    // of a super-block

// Column c has the value d * scales[c / kGroup] * q[c] (without scales: d * q[c]), and with minima
// the value d * q[c] + m of small blocks, less m * mins[c / kMinGroup] of super-blocks.
struct Block {
  alignas(64) int8_t q[kSuperBlock];  // aligned, as GCC 12 may take it for aligned where it is not
  int8_t scales[kMaxGroups];
  uint8_t mins[kMaxGroups];
  float d;
  float m;
};

inline uint16_t LoadLe16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }
inline float LoadLeHalf(const uint8_t* p) { return HalfToFloat(LoadLe16(p)); }

// Nibbles of 32 columns: the low one of byte j is column j, the high one column j + 16.
inline void DecodeNibbles(const uint8_t* p, int8_t* q) {
  for (size_t j = 0; j < 16; ++j) {
    q[j] = static_cast<int8_t>(p[j] & 15);
    q[j + 16] = static_cast<int8_t>(p[j] >> 4);
  }
}

// The same in registers.
template <typename V>
[[gnu::always_inline]] inline void ExpandNibbles(const uint8_t* rows, size_t stride,
                                                 typename V::Int (&steps)[8]) {
  typename V::Int bytes[4];
  V::template LoadTransposed<4>(bytes, rows, stride);
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    steps[i] = V::LowNibbles(bytes[i]);
    steps[i + 4] = V::HighNibbles(bytes[i]);
  }
}

// Bit j of the 32 at `bits`, little-endian, becomes bit 4 of column j.
inline void DecodeFifthBits(const uint8_t* bits, int8_t* q) {
  for (size_t j = 0; j < kSmallBlock; ++j) {
    q[j] = static_cast<int8_t>(q[j] | (bits[j / 8] >> j % 8 & 1) << 4);
  }
}

template <typename V>
[[gnu::always_inline]] inline void ExpandFifthBits(const uint8_t* rows, size_t stride,
                                                   typename V::Int (&steps)[8]) {
  typename V::Int bits[1];
  V::template LoadTransposed<1>(bits, rows, stride);
  steps[0] = V::Or(steps[0], V::template SpreadBits<0>(bits[0]));
  steps[1] = V::Or(steps[1], V::template SpreadBits<1>(bits[0]));
  steps[2] = V::Or(steps[2], V::template SpreadBits<2>(bits[0]));
  steps[3] = V::Or(steps[3], V::template SpreadBits<3>(bits[0]));
  steps[4] = V::Or(steps[4], V::template SpreadBits<4>(bits[0]));
  steps[5] = V::Or(steps[5], V::template SpreadBits<5>(bits[0]));
  steps[6] = V::Or(steps[6], V::template SpreadBits<6>(bits[0]));
  steps[7] = V::Or(steps[7], V::template SpreadBits<7>(bits[0]));
}

// Columns of a super-block whose activations' sum is multiplied: by a minimum or, where a zero
// point is to be taken off, by a scale. Of small blocks the activations are summed up as a whole.
template <typename F>
constexpr size_t SumCols() {
  if constexpr (F::kCols == kSuperBlock && F::kHasMin) {
    return F::kMinGroup;
  } else {
    return F::kGroup;
  }
}

// What multiplies the sums of one block of each of V::kLanes rows, a row a lane.
template <typename V, typename F>
struct RowScales {
  static constexpr bool kIsSuper = F::kCols == kSuperBlock;
  typename V::Reg d;
  typename V::Reg m;  // with minima alone
  // Of super-blocks alone:
  typename V::Scale scales[kIsSuper ? F::kCols / F::kGroup : 1];
  // Minima of groups 2i and 2i + 1 as pairs of int16, which multiply sums of SumCols() activations;
  // without minima the scales likewise, where a zero point is to be taken off.
  typename V::Int pairs[kIsSuper ? F::kCols / SumCols<F>() / 2 : 1];
};

// The header of blocks with minima: f16 d, m.
inline void DecodeScaleAndMin(const uint8_t* block, Block* out) {
  out->d = LoadLeHalf(block);
  out->m = LoadLeHalf(block + 2);
}

// The same in registers.
template <typename V, typename F>
[[gnu::always_inline]] inline void SetScaleAndMin(typename V::Int header, RowScales<V, F>* out) {
  out->d = V::LowHalves(header);
  out->m = V::HighHalves(header);
}
template <typename V, typename F>
[[gnu::always_inline]] inline void LoadScaleAndMin(const uint8_t* rows, size_t stride,
                                                   RowScales<V, F>* out) {
  typename V::Int header[1];
  V::template LoadTransposed<1>(header, rows, stride);
  SetScaleAndMin<V>(header[0], out);
}

// The upper two of a scale's six bits, less 32: in registers, to be joined with four lower ones.
constexpr int8_t kHighBitsOfScale[16] = {-32, -16, 0, 16};

// The header of Q4_K and Q5_K: f16 d, dmin; u8 a[12] with a scale and a minimum of 6 bits for each
// of 8 groups.
inline void DecodeSixBitScales(const uint8_t* block, Block* out) {
  DecodeScaleAndMin(block, out);
  const uint8_t* a = block + 4;
  for (size_t j = 0; j < 4; ++j) {
    out->scales[j] = static_cast<int8_t>(a[j] & 63);
    out->mins[j] = a[j + 4] & 63;
    out->scales[j + 4] = static_cast<int8_t>((a[j + 8] & 15) | a[j] >> 6 << 4);
    out->mins[j + 4] = static_cast<uint8_t>(a[j + 8] >> 4 | a[j + 4] >> 6 << 4);
  }
}

template <typename V, typename F>
[[gnu::always_inline]] inline void LoadSixBitScales(const uint8_t* rows, size_t stride,
                                                    RowScales<V, F>* out) {
  using Int = typename V::Int;
  Int header[4];  // d and dmin; a[0 .. 3]; a[4 .. 7]; a[8 .. 11]
  V::template LoadTransposed<4>(header, rows, stride);
  SetScaleAndMin<V>(header[0], out);
  const Int six = V::SetBytes(0x3f);
  const Int top = V::SetBytes(0x30);
  const Int scales[2] = {V::And(header[1], six),
                         V::Or(V::LowNibbles(header[3]), V::And(V::ShiftRight(header[1], 2), top))};
  const Int mins[2] = {V::And(header[2], six),
                       V::Or(V::HighNibbles(header[3]), V::And(V::ShiftRight(header[2], 2), top))};
#pragma GCC unroll 2
  for (size_t i = 0; i < 2; ++i) {
    out->scales[4 * i] = V::template ScaleOfByte<0>(scales[i]);
    out->scales[4 * i + 1] = V::template ScaleOfByte<1>(scales[i]);
    out->scales[4 * i + 2] = V::template ScaleOfByte<2>(scales[i]);
    out->scales[4 * i + 3] = V::template ScaleOfByte<3>(scales[i]);
    out->pairs[2 * i] = V::template PairOfBytes<0>(mins[i]);
    out->pairs[2 * i + 1] = V::template PairOfBytes<1>(mins[i]);
  }
}

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_FORMAT_H_
