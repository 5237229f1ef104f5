// SPDX-License-Identifier: MIT
// The operations of a vector unit, in which the skeletons are written. Each operation is tested by
// itself (tests/kernels/unit_test.cc, unit_bytes_test.cc), on every unit that the machine has.
//
// A unit V is a struct of static functions:
//   V::kLanes                     floats in a V::Reg, and int32 in a V::Int: 4, 8 or 16
//
// Memory. Pointers need the alignment of their type; pointers to bytes need none.
//   Load(p), Store(p, x)          kLanes floats
//   LoadBytes(p)                  kLanes floats
//   LoadFirst(p, n)               the first n < kLanes floats; the other lanes are 0, and nothing
//                                 else is read
//   StoreFirst(p, x, n)           the first n < kLanes floats; nothing else is written
//   LoadKv<kHalf>(p, i)           elements i .. i + kLanes - 1 of the KV cache at p, float or half
//   LoadKvFirst<kHalf>(p, i, n)   the first n < kLanes of these; the other lanes are 0, and nothing
//                                 else is read
//   Gather(base, index)           Int: lane l is the 32 bits at base + 4 * index[l]
//   LoadTransposed<kSteps>(v, rows, stride)
//                                 Int: lane r of v[s] is the s-th 32-bit element of the row at
//                                 rows + r * stride; only these kSteps elements are read
//   StoreInt8(p, x)               each lane of an Int as one byte; the values must fit int8
//
// Floats. Each lane is computed separately and rounded once, to nearest even, as IEEE 754 defines.
//   Set1(x)                       x in every lane
//   Add, Sub, Mul, Div (a, b)
//   Fma(a, b, c)                  a * b + c, rounded once
//   FmaFirst(a, b, c, n)          Fma() for the first n <= kLanes elements of a (bytes) and b
//                                 (floats), which are all that is read; other lanes of c stay
//   Negate(a), Abs(a)             change only the sign bit
//   Max(a, b)                     a > b ? a : b, so that the result is b if either is NaN
//   Min(a, b)                     a < b ? a : b
//   Exp(x)                        Exp() of math.h, bit for bit
//   ReduceMax(a)                  the maximum of all lanes, none of which may be NaN
//   Join(v)                       lane r: Reduce16() of the 16 partial sums v[r]; register v[r][p]
//                                 holds kLanes of them, from kLanes * p on
//
// Integers, modulo 2^32.
//   SetInt(x), AddInt(a, b), ReduceAddInt(a)
//   ToFloat(a)                    each lane's value, rounded to nearest even
//   RoundAway(x)                  Int: the nearest integers, ties away from 0, for |x| <= 127
//   AsFloat(a)                    reinterprets the bits
//
// Products of int8. A Tile<kSteps> holds 4 * kSteps columns of kLanes rows; Load(rows, stride).
//   StartSum(x_sum)               the value from which a group's sum starts; x_sum is -128 times
//                                 the sum of the token's numbers. If the unit's instruction takes
//                                 one factor unsigned, the sign bits of the weights are flipped,
//                                 and this value compensates for it.
//   Dot<kHeld>(sums, tiles, q, stride, between)
//                                 Int sums[t][r] += tile r . token t, whose numbers are at
//                                 q + t * stride. With StartSum() it is exact for weights in
//                                 [-128, 127] and numbers in [-127, 127]. With kHeld the tiles may
//                                 stay in registers, and between(), which prefetches, may be called
//                                 before each step of the first tile.
//
// Also, for a Tuning with min_matvec_group:
//   DotGroups<kGroup, kAhead>(weights, q, x_sums)
//                                 Int: lane g is the dot product of the g-th kGroup weights and
//                                 numbers; x_sums (kLanes) are as for StartSum(). Prefetches
//                                 kAhead bytes ahead.
// Also, for 16 lanes:
//   LoadLanes(p, lanes)           loads the lanes whose bits in `lanes` are set; the others are 0,
//                                 and not read
//   FmaLanes(a, b, c, lanes)      Fma() for those lanes of a (bytes) and b; other lanes of c stay,
//                                 and no other element of a is read
// Also, for the native order of sums:
//   ToPower(x)                    the float whose bits are those of x shifted left by 23
//   IfNegative(sign, a, b)        a in lanes where the sign bit of `sign` is set, else b
//   ReduceAdd(a)                  the sum of all lanes by halves: a[i] + a[i + kLanes / 2], and so
//                                 on
// Also, for quantised blocks (NAME_bytes.h); byte k of a lane is its bits 8k to 8k + 7:
//   SetBytes(x)                   x in every byte
//   And, Or, Xor (a, b)
//   ShiftLeft(a, n), ShiftRight(a, n)
//                                 shifts each byte, n < 8; the bits that are shifted in are
//                                 undefined: mask them
//   LowNibbles(a), HighNibbles(a) the nibble of each byte, as a number
//   LookUp(table, index)          each byte's entry in a table of 16 int8; bytes are below 16
//   SpreadBits<kStep>(bits)       byte k: 16 times bit 4 * kStep + k of the lane
//   LoadF16(p), LoadBF16(p)       kLanes 16-bit numbers as floats
//   LoadHalves(p, stride)         lane r: the half at p + r * stride; may also read the two bytes
//                                 after each half
//   LowHalves(a), HighHalves(a)   Reg: the half in bits 0 to 15 (16 to 31) of each lane
//   PairOfBytes<kPair>(a)         bytes 2 * kPair and 2 * kPair + 1 as two int16
//   PairOfSignedBytes<kPair>(a)   PairOfBytes() for int8
//   MulPairs(a, b)                the sum of the products of two int16
//   SubInt(a, b), ShiftLanesLeft<kBits>(a)
//   RoundEven(x)                  Int: the nearest integers, ties to even, for |x| <= 127
// Exact sums of products. Until Fold() the layout of their registers is private to the unit:
//   kSignedWeights, kMaxWeight    weights are int8, otherwise 0 to kMaxWeight
//   Dot4(w, x)                    the products of four weights with four numbers in [-127, 127]
//   AddDot4(sums, w, x)           sums + Dot4(w, x). Up to MaxDepth(m) of these products, including
//                                 that of Dot4(), do not overflow if weights are at most m
//   SetScale(x)                   Scale: the same scale in every lane, -128 to 255
//   ScaleOfByte<kByte>(a)         Scale: that byte of each lane; SignedScaleOfByte: int8
//   Fold(total, sums)             Int: total + the sums of Dot4() and AddDot4()
//   Fold(total, sums, scale)      total + scale * the sums
//   AddSignedDot4(sums, w, x, scale)
//                                 only if kMaxWeight < 255: sums + scale * the products of four
//                                 int8 weights, in 32 bits
//   kNativeTokens x kNativeTiles  tokens and tiles that are multiplied at a time
//   kCentresWeights               see native_matmul.h
//
// And the sizes of the skeletons' tiles, according to the number of registers:
//   kFloatRows x kFloatTokens     rows and tokens of a tile of floats, with 16 partial sums each
//   kFloatRowsOfOne               rows of a tile of floats with one token
//   kMinPanelTokens               the fewest tokens for panels of float weights, or kNever
//   kRowTiles                     tiles of int8 rows that are multiplied together, with many tokens
//   kTokensOfHeldTile             the most tokens for which a tile stays in registers: 16, or 0
//   kTokensAtOnce                 tokens that are multiplied at a time otherwise: 1, 2, 4 or 8
//   kScoreQueries x kScoreRegs    queries and registers of positions of a tile of scores
//   kMixQueries x kMixChunks      queries and registers of elements of a tile of values
//   kSumQueries, kSumRegs         for the native order; see native_attention.h
#ifndef CLAMMA_KERNELS_UNITS_UNIT_H_
#define CLAMMA_KERNELS_UNITS_UNIT_H_

#include <cstddef>
#include <cstdint>

namespace clamma {

template <typename T, typename U>
inline constexpr bool kIsSame = false;
template <typename T>
inline constexpr bool kIsSame<T, T> = true;
template <typename T, typename U>
concept Is = kIsSame<T, U>;  // <concepts> is part of the C++ library

template <typename V>
concept HasUnitSizes =
    (V::kLanes == 4 || V::kLanes == 8 || V::kLanes == 16) && V::kFloatRows > 0 &&
    V::kFloatTokens > 0 && V::kFloatRowsOfOne > 0 && V::kMinPanelTokens > 0 && V::kRowTiles > 0 &&
    (V::kTokensOfHeldTile == 0 || V::kTokensOfHeldTile == 16) && V::kTokensAtOnce > 0 &&
    V::kScoreQueries > 0 && V::kScoreRegs > 0 && V::kMixQueries > 0 && V::kMixChunks > 0;

template <typename V>
concept HasUnitMemory = requires(typename V::Reg reg, typename V::Int integers,
                                 const uint8_t* bytes, const float* from, float* to,
                                 const int32_t* index, size_t n) {
  { V::Load(from) } -> Is<typename V::Reg>;
  { V::LoadBytes(bytes) } -> Is<typename V::Reg>;
  { V::LoadFirst(from, n) } -> Is<typename V::Reg>;
  { V::template LoadKv<false>(bytes, n) } -> Is<typename V::Reg>;
  { V::template LoadKv<true>(bytes, n) } -> Is<typename V::Reg>;
  { V::template LoadKvFirst<false>(bytes, n, n) } -> Is<typename V::Reg>;
  { V::template LoadKvFirst<true>(bytes, n, n) } -> Is<typename V::Reg>;
  { V::Gather(bytes, index) } -> Is<typename V::Int>;
  V::Store(to, reg);
  V::StoreFirst(to, reg, n);
  V::StoreInt8(static_cast<int8_t*>(nullptr), integers);
  V::template LoadTransposed<8>(&integers, bytes, n);
};

template <typename V>
concept HasUnitFloats = requires(typename V::Reg reg, const uint8_t* bytes, const float* from,
                                 const typename V::Reg (&rows)[V::kLanes][16 / V::kLanes],
                                 size_t n) {
  { V::Set1(1.0f) } -> Is<typename V::Reg>;
  { V::Add(reg, reg) } -> Is<typename V::Reg>;
  { V::Sub(reg, reg) } -> Is<typename V::Reg>;
  { V::Mul(reg, reg) } -> Is<typename V::Reg>;
  { V::Div(reg, reg) } -> Is<typename V::Reg>;
  { V::Fma(reg, reg, reg) } -> Is<typename V::Reg>;
  { V::FmaFirst(bytes, from, reg, n) } -> Is<typename V::Reg>;
  { V::Negate(reg) } -> Is<typename V::Reg>;
  { V::Abs(reg) } -> Is<typename V::Reg>;
  { V::Max(reg, reg) } -> Is<typename V::Reg>;
  { V::Min(reg, reg) } -> Is<typename V::Reg>;
  { V::Exp(reg) } -> Is<typename V::Reg>;
  { V::ReduceMax(reg) } -> Is<float>;
  { V::ToPower(reg) } -> Is<typename V::Reg>;
  { V::IfNegative(reg, reg, reg) } -> Is<typename V::Reg>;
  { V::ReduceAdd(reg) } -> Is<float>;
  { V::Join(rows) } -> Is<typename V::Reg>;
};

template <typename V>
concept HasUnitIntegers = requires(typename V::Reg reg, typename V::Int integers,
                                   typename V::Int (&sums)[2][1],
                                   const typename V::template Tile<8> (&tiles)[1],
                                   typename V::template Tile<8> tile, const uint8_t* bytes,
                                   const int8_t* q, size_t n, void (&between)()) {
  { V::SetInt(1) } -> Is<typename V::Int>;
  { V::AddInt(integers, integers) } -> Is<typename V::Int>;
  { V::ReduceAddInt(integers) } -> Is<int32_t>;
  { V::ToFloat(integers) } -> Is<typename V::Reg>;
  { V::AsFloat(integers) } -> Is<typename V::Reg>;
  { V::RoundAway(reg) } -> Is<typename V::Int>;
  { V::StartSum(1) } -> Is<typename V::Int>;
  tile.Load(bytes, n);
  V::template Dot<false>(sums, tiles, q, n, between);
  V::template Dot<true>(sums, tiles, q, n, between);
};

template <typename V>
concept HasUnitLanes = V::kLanes != 16 || requires(typename V::Reg reg, const float* from,
                                                   const uint8_t* bytes, uint16_t lanes) {
  { V::LoadLanes(from, lanes) } -> Is<typename V::Reg>;
  { V::FmaLanes(bytes, reg, reg, lanes) } -> Is<typename V::Reg>;
};

template <typename V>
concept HasUnitBytes = requires(typename V::Int a, const int8_t (&table)[16]) {
  { V::SetBytes(1) } -> Is<typename V::Int>;
  { V::And(a, a) } -> Is<typename V::Int>;
  { V::Or(a, a) } -> Is<typename V::Int>;
  { V::Xor(a, a) } -> Is<typename V::Int>;
  { V::ShiftLeft(a, 1) } -> Is<typename V::Int>;
  { V::ShiftRight(a, 1) } -> Is<typename V::Int>;
  { V::LowNibbles(a) } -> Is<typename V::Int>;
  { V::HighNibbles(a) } -> Is<typename V::Int>;
  { V::LookUp(table, a) } -> Is<typename V::Int>;
  { V::template SpreadBits<7>(a) } -> Is<typename V::Int>;
  { V::template PairOfBytes<1>(a) } -> Is<typename V::Int>;
  { V::template PairOfSignedBytes<1>(a) } -> Is<typename V::Int>;
  { V::MulPairs(a, a) } -> Is<typename V::Int>;
  { V::SubInt(a, a) } -> Is<typename V::Int>;
  { V::template ShiftLanesLeft<5>(a) } -> Is<typename V::Int>;
};

template <typename V>
concept HasUnitHalves = requires(typename V::Reg x, typename V::Int a, const uint8_t* bytes,
                                 size_t stride) {
  { V::LoadF16(bytes) } -> Is<typename V::Reg>;
  { V::LoadBF16(bytes) } -> Is<typename V::Reg>;
  { V::LoadHalves(bytes, stride) } -> Is<typename V::Reg>;
  { V::LowHalves(a) } -> Is<typename V::Reg>;
  { V::HighHalves(a) } -> Is<typename V::Reg>;
  { V::RoundEven(x) } -> Is<typename V::Int>;
};

template <typename V>
concept HasUnitExactSums = V::kNativeTokens >
0 && V::kNativeTiles > 0 && V::kMaxWeight > 0 && V::MaxDepth(15) > 0 &&
    requires(typename V::Int a, typename V::Scale scale) {
  { V::kSignedWeights } -> Is<const bool&>;
  { V::kCentresWeights } -> Is<const bool&>;
  { V::Dot4(a, a) } -> Is<typename V::Int>;
  { V::AddDot4(a, a, a) } -> Is<typename V::Int>;
  { V::SetScale(1) } -> Is<typename V::Scale>;
  { V::template ScaleOfByte<3>(a) } -> Is<typename V::Scale>;
  { V::template SignedScaleOfByte<3>(a) } -> Is<typename V::Scale>;
  { V::Fold(a, a) } -> Is<typename V::Int>;
  { V::Fold(a, a, scale) } -> Is<typename V::Int>;
};

template <typename V>
concept Unit = HasUnitSizes<V> && HasUnitMemory<V> && HasUnitFloats<V> && HasUnitIntegers<V> &&
    HasUnitLanes<V> && HasUnitBytes<V> && HasUnitHalves<V> && HasUnitExactSums<V>;

}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_UNIT_H_
