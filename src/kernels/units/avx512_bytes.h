// SPDX-License-Identifier: MIT
// The operations on bytes of AVX-512 (F, BW, DQ, VL) with VNNI, for kernels of quantised formats:
// nibbles, exact dot products. See unit.h for the contract.
#ifndef CLAMMA_KERNELS_UNITS_AVX512_BYTES_H_
#define CLAMMA_KERNELS_UNITS_AVX512_BYTES_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/units/x86_bytes.h"

namespace clamma {
namespace {

// Loads a 32-bit element of each of 16 rows, `stride` bytes apart; row r goes to lane r. Broadcasts
// and blends need no shuffle unit, and a vector loaded from 16 stores would wait for all of them.
[[gnu::always_inline]] inline __m512i LoadColumn16(const uint8_t* rows, size_t stride) {
  const auto element = [&](size_t r) {
    int32_t bits = 0;
    __builtin_memcpy(&bits, rows + r * stride, sizeof(bits));
    return bits;
  };
  __m512i w[8];  // lanes 0-7: row i, 8-15: row i + 8
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) {
    w[i] = _mm512_mask_set1_epi32(_mm512_set1_epi32(element(i)), 0xff00, element(i + 8));
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) w[i] = _mm512_mask_blend_epi32(0xf0f0, w[i], w[i + 4]);
#pragma GCC unroll 2
  for (size_t i = 0; i < 2; ++i) w[i] = _mm512_mask_blend_epi32(0xcccc, w[i], w[i + 2]);
  return _mm512_mask_blend_epi32(0xaaaa, w[0], w[1]);
}

struct Avx512Bytes {
  using Reg = __m512;
  using Int = __m512i;
  using Scale = Int;                          // 32 bits
  static constexpr size_t kNativeTokens = 4;  // tokens that are multiplied at a time
  static constexpr size_t kNativeTiles = 2;
  static constexpr bool kSignedWeights = false;
  static constexpr bool kCentresWeights = false;
  static constexpr int kMaxWeight = 255;
  static constexpr size_t MaxDepth(int /*max_weight*/) { return 64; }

  static Int SetBytes(uint8_t x) { return _mm512_set1_epi8(static_cast<char>(x)); }
  static Int And(Int a, Int b) { return _mm512_and_si512(a, b); }
  static Int Or(Int a, Int b) { return _mm512_or_si512(a, b); }
  static Int Xor(Int a, Int b) { return _mm512_xor_si512(a, b); }
  static Int ShiftLeft(Int a, size_t n) { return _mm512_slli_epi16(a, static_cast<unsigned>(n)); }
  static Int ShiftRight(Int a, size_t n) { return _mm512_srli_epi16(a, static_cast<unsigned>(n)); }
  static Int LowNibbles(Int a) { return And(a, SetBytes(15)); }
  static Int HighNibbles(Int a) { return And(ShiftRight(a, 4), SetBytes(15)); }
  static Int LookUp(const int8_t (&table)[16], Int index) {
    const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(entries), index);
  }
  template <size_t kStep>
  static Int SpreadBits(Int bits) {
    constexpr int kByte = kStep / 2;
    const Int byte = Shuffle<kByte, kByte, kByte, kByte>(bits);
    constexpr uint32_t kFirst = kStep % 2 == 0 ? 0x08040201u : 0x80402010u;
    const Int mask = _mm512_set1_epi32(static_cast<int>(kFirst));
    return _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(byte, mask), SetBytes(16));
  }

  // Load kLanes numbers of 16 bits at p, as floats.
  static Reg LoadF16(const uint8_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Reg LoadBF16(const uint8_t* p) {
    const Int upper =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(upper, 16));
  }
  // Loads the half at p of each row, as float; rows are `stride` bytes apart. Also reads the two
  // bytes after each half.
  static Reg LoadHalves(const uint8_t* p, size_t stride) {
    return LowHalves(LoadColumn16(p, stride));
  }
  static Reg LowHalves(Int a) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(a)); }
  static Reg HighHalves(Int a) { return LowHalves(_mm512_srli_epi32(a, 16)); }

  template <size_t kPair>
  static Int PairOfBytes(Int a) {
    return Shuffle<2 * kPair, -1, 2 * kPair + 1, -1>(a);
  }
  template <size_t kPair>
  static Int PairOfSignedBytes(Int a) {
    const Int shuffled = Shuffle<-1, 2 * kPair, -1, 2 * kPair + 1>(a);
    return _mm512_srai_epi16(shuffled, 8);  // without optimisation, this is a macro
  }
  static Int MulPairs(Int a, Int b) { return _mm512_madd_epi16(a, b); }

  static Int Dot4(Int w, Int x) { return AddDot4(_mm512_setzero_si512(), w, x); }
  // _mm512_dpbusd_epi32(), for which GCC 12 copies each sum back and forth.
  static Int AddDot4(Int sums, Int w, Int x) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(w), "v"(x));
    return sums;
  }
  static Scale SetScale(int x) { return _mm512_set1_epi32(x); }
  template <size_t kByte>
  static Scale ScaleOfByte(Int a) {
    return Shuffle<kByte, -1, -1, -1>(a);
  }
  template <size_t kByte>
  static Scale SignedScaleOfByte(Int a) {
    const Int shuffled = Shuffle<-1, -1, -1, kByte>(a);
    return _mm512_srai_epi32(shuffled, 24);
  }
  static Int Fold(Int total, Int sums) { return _mm512_add_epi32(total, sums); }
  static Int Fold(Int total, Int sums, Scale scale) {
    return _mm512_add_epi32(total, _mm512_mullo_epi32(sums, scale));
  }

  static Int RoundEven(Reg x) { return _mm512_cvtps_epi32(x); }
  static Int SubInt(Int a, Int b) { return _mm512_sub_epi32(a, b); }
  template <int kBits>
  static Int ShiftLanesLeft(Int a) {
    return _mm512_slli_epi32(a, kBits);
  }

 private:
  // Each lane becomes its bytes kA, kB, kC, kD; -1 gives 0.
  template <int kA, int kB, int kC, int kD>
  static Int Shuffle(Int v) {
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(ByteOrder<kA, kB, kC, kD>()));
  }
};

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_AVX512_BYTES_H_
