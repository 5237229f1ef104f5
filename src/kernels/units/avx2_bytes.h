// SPDX-License-Identifier: MIT
// The operations on bytes of AVX2 or AVX-VNNI, for kernels of quantised formats: nibbles, exact dot
// products. See unit.h for the contract.
#ifndef CLAMMA_KERNELS_UNITS_AVX2_BYTES_H_
#define CLAMMA_KERNELS_UNITS_AVX2_BYTES_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/units/x86_bytes.h"

namespace clamma {
namespace {

struct Avx2Bytes {
  using Reg = __m256;
  using Int = __m256i;
  static constexpr size_t kNativeTokens = 4;  // tokens that are multiplied at a time
  static constexpr size_t kNativeTiles = 2;
  static constexpr bool kSignedWeights = false;
  static constexpr bool kCentresWeights = false;

  static Int SetBytes(uint8_t x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  static Int And(Int a, Int b) { return _mm256_and_si256(a, b); }
  static Int Or(Int a, Int b) { return _mm256_or_si256(a, b); }
  static Int Xor(Int a, Int b) { return _mm256_xor_si256(a, b); }
  static Int ShiftLeft(Int a, size_t n) { return _mm256_slli_epi16(a, static_cast<int>(n)); }
  static Int ShiftRight(Int a, size_t n) { return _mm256_srli_epi16(a, static_cast<int>(n)); }
  static Int LowNibbles(Int a) { return And(a, SetBytes(15)); }
  static Int HighNibbles(Int a) { return And(ShiftRight(a, 4), SetBytes(15)); }
  static Int LookUp(const int8_t (&table)[16], Int index) {
    const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), index);
  }
  template <size_t kStep>
  static Int SpreadBits(Int bits) {
    constexpr int kByte = kStep / 2;
    const Int byte = Shuffle<kByte, kByte, kByte, kByte>(bits);
    constexpr uint32_t kFirst = kStep % 2 == 0 ? 0x08040201u : 0x80402010u;
    const Int mask = _mm256_set1_epi32(static_cast<int>(kFirst));
    return And(_mm256_cmpeq_epi8(And(byte, mask), mask), SetBytes(16));
  }

  // Load kLanes numbers of 16 bits at p, as floats.
  static Reg LoadF16(const uint8_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Reg LoadBF16(const uint8_t* p) {
    const Int upper = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(upper, 16));
  }
  // Loads the half at p of each row, as float; rows are `stride` bytes apart.
  static Reg LoadHalves(const uint8_t* p, size_t stride) {
    const auto half = [&](size_t r) {
      int16_t bits = 0;
      __builtin_memcpy(&bits, p + r * stride, sizeof(bits));
      return bits;
    };
    return _mm256_cvtph_ps(
        _mm_setr_epi16(half(0), half(1), half(2), half(3), half(4), half(5), half(6), half(7)));
  }
  static Reg LowHalves(Int a) { return HalvesToFloat(And(a, _mm256_set1_epi32(0xffff))); }
  static Reg HighHalves(Int a) { return HalvesToFloat(_mm256_srli_epi32(a, 16)); }

  template <size_t kPair>
  static Int PairOfBytes(Int a) {
    return Shuffle<2 * kPair, -1, 2 * kPair + 1, -1>(a);
  }
  template <size_t kPair>
  static Int PairOfSignedBytes(Int a) {
    return _mm256_srai_epi16(Shuffle<-1, 2 * kPair, -1, 2 * kPair + 1>(a), 8);
  }
  static Int MulPairs(Int a, Int b) { return _mm256_madd_epi16(a, b); }

#if defined(__AVXVNNI__)
  // A dot product of bytes is one instruction, with 32-bit sums.
  using Scale = Int;  // 32 bits
  static constexpr int kMaxWeight = 255;
  static constexpr size_t MaxDepth(int /*max_weight*/) { return 64; }
  static Int Dot4(Int w, Int x) { return _mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), w, x); }
  static Int AddDot4(Int sums, Int w, Int x) { return _mm256_dpbusd_avx_epi32(sums, w, x); }
  static Scale SetScale(int x) { return _mm256_set1_epi32(x); }
  template <size_t kByte>
  static Scale ScaleOfByte(Int a) {
    return Shuffle<kByte, -1, -1, -1>(a);
  }
  template <size_t kByte>
  static Scale SignedScaleOfByte(Int a) {
    return _mm256_srai_epi32(Shuffle<-1, -1, -1, kByte>(a), 24);
  }
  static Int Fold(Int total, Int sums) { return _mm256_add_epi32(total, sums); }
  static Int Fold(Int total, Int sums, Scale scale) {
    return _mm256_add_epi32(total, _mm256_mullo_epi32(sums, scale));
  }
#else
  // A lane holds two sums of 16 bits. Each has room for the products of two weights of up to
  // kMaxWeight with activations of up to 127, or for more products of smaller weights.
  using Scale = Int;  // each lane holds the scale twice, in 16 bits
  static constexpr int kMaxWeight = 32767 / (2 * 127);
  static constexpr size_t MaxDepth(int max_weight) {
    return 32767u / (2u * 127u * static_cast<unsigned>(max_weight));
  }
  static Int Dot4(Int w, Int x) { return _mm256_maddubs_epi16(w, x); }
  static Int AddDot4(Int sums, Int w, Int x) {
    sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(w, x));
    asm("" : "+x"(sums));  // keeps compilers from reordering the sums, which takes more registers
    return sums;
  }
  // Returns sums + scale * the products, for int8 weights, with sums of 32 bits. For a weight that
  // is used once, this costs one instruction more than two planes of nibbles, but saves making
  // them.
  static Int AddSignedDot4(Int sums, Int w, Int x, Scale scale) {
    const Int pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, scale));
  }
  static Scale SetScale(int x) { return _mm256_set1_epi16(static_cast<int16_t>(x)); }
  template <size_t kByte>
  static Scale ScaleOfByte(Int a) {
    return Shuffle<kByte, -1, kByte, -1>(a);
  }
  template <size_t kByte>
  static Scale SignedScaleOfByte(Int a) {
    return _mm256_srai_epi16(Shuffle<-1, kByte, -1, kByte>(a), 8);
  }
  static Int Fold(Int total, Int sums) { return Fold(total, sums, SetScale(1)); }
  static Int Fold(Int total, Int sums, Scale scale) {
    return _mm256_add_epi32(total, _mm256_madd_epi16(sums, scale));
  }
#endif

  static Int RoundEven(Reg x) { return _mm256_cvtps_epi32(x); }
  static Int SubInt(Int a, Int b) { return _mm256_sub_epi32(a, b); }
  template <int kBits>
  static Int ShiftLanesLeft(Int a) {
    return _mm256_slli_epi32(a, kBits);
  }

 private:
  // Each lane becomes its bytes kA, kB, kC, kD; -1 gives 0.
  template <int kA, int kB, int kC, int kD>
  static Int Shuffle(Int v) {
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(ByteOrder<kA, kB, kC, kD>()));
  }
  // Converts lanes whose upper 16 bits are 0.
  static Reg HalvesToFloat(Int a) {
    const Int packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, a), 0xd8);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
  }
};

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_AVX2_BYTES_H_
