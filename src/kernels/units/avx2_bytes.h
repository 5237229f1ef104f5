// SPDX-License-Identifier: MIT
// What kernels of quantised formats need of AVX2 or AVX-VNNI beside floats: bytes, nibbles, exact
// dot products. See unit.h for the contract.
#ifndef CLAMMA_KERNELS_UNITS_AVX2_BYTES_H_
#define CLAMMA_KERNELS_UNITS_AVX2_BYTES_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace clamma {
namespace {

struct Avx2Bytes {
  using Reg = __m256;
  using Int = __m256i;
  static constexpr size_t kNativeTokens = 4;  // that multiply tiles at a time
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
    constexpr char b = kStep / 2;
    const Int byte = Shuffle<b, b, b, b>(bits);
    constexpr uint32_t kFirst = kStep % 2 == 0 ? 0x08040201u : 0x80402010u;
    const Int mask = _mm256_set1_epi32(static_cast<int>(kFirst));
    return And(_mm256_cmpeq_epi8(And(byte, mask), mask), SetBytes(16));
  }

  // kLanes numbers of 16 bits at p, as floats.
  static Reg LoadF16(const uint8_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Reg LoadBF16(const uint8_t* p) {
    const Int upper = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(upper, 16));
  }
  // 16-bit numbers at p of each row, rows `stride` bytes apart.
  static Reg LoadHalves(const uint8_t* p, size_t stride) {
    uint16_t h[8];
#pragma GCC unroll 8
    for (size_t r = 0; r < 8; ++r) __builtin_memcpy(&h[r], p + r * stride, 2);
    return _mm256_cvtph_ps(_mm_setr_epi16(static_cast<short>(h[0]), static_cast<short>(h[1]),
                                          static_cast<short>(h[2]), static_cast<short>(h[3]),
                                          static_cast<short>(h[4]), static_cast<short>(h[5]),
                                          static_cast<short>(h[6]), static_cast<short>(h[7])));
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
  // A dot product of bytes is one instruction, of 32-bit sums.
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
  // A lane has two sums of 16 bits, which hold the products of two weights of up to kMaxWeight each
  // with activations of up to 127, or of more smaller ones.
  using Scale = Int;  // two of 16 bits
  static constexpr int kMaxWeight = 32767 / (2 * 127);
  static constexpr size_t MaxDepth(int max_weight) {
    return 32767u / (2u * 127u * static_cast<unsigned>(max_weight));
  }
  static Int Dot4(Int w, Int x) { return _mm256_maddubs_epi16(w, x); }
  static Int AddDot4(Int sums, Int w, Int x) {
    sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(w, x));
    asm("" : "+x"(sums));  // compilers sum up in another order, and have no registers for the parts
    return sums;
  }
  // The same with int8 weights and sums of 32 bits, for a weight that is used once: it takes one
  // instruction more than two planes of nibbles, and spares their making.
  static Int AddSignedDot4(Int sums, Int w, Int x) {
    const Int pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static Scale SetScale(int x) { return _mm256_set1_epi16(static_cast<short>(x)); }
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
  // In each lane bytes a, b, c, d of it; 0 for -1.
  template <int a, int b, int c, int d>
  static Int Shuffle(Int v) {
    const auto at = [](int byte, int lane) {
      return static_cast<char>(byte < 0 ? -1 : 4 * lane + byte);
    };
    const __m128i order = _mm_setr_epi8(at(a, 0), at(b, 0), at(c, 0), at(d, 0), at(a, 1), at(b, 1),
                                        at(c, 1), at(d, 1), at(a, 2), at(b, 2), at(c, 2), at(d, 2),
                                        at(a, 3), at(b, 3), at(c, 3), at(d, 3));
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order));
  }
  // Of 32-bit lanes whose upper halves are 0.
  static Reg HalvesToFloat(Int a) {
    const Int packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, a), 0xd8);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
  }
};

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_AVX2_BYTES_H_
