// SPDX-License-Identifier: MIT
// The operations on bytes of AArch64, with or without the dot product of Armv8.2, for kernels of
// quantised formats: nibbles, exact dot products. See unit.h for the contract.
#ifndef CLAMMA_KERNELS_UNITS_NEON_BYTES_H_
#define CLAMMA_KERNELS_UNITS_NEON_BYTES_H_

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace clamma {
namespace {

struct NeonBytes {
  using Reg = float32x4_t;
  using Int = int32x4_t;
  using Scale = Int;
  static constexpr size_t kNativeTokens = 4;  // tokens that are multiplied at a time
  static constexpr size_t kNativeTiles = 2;
  static constexpr bool kSignedWeights = true;
  static constexpr bool kCentresWeights = false;
  static constexpr int kMaxWeight = 255;
  static constexpr size_t MaxDepth(int /*max_weight*/) { return 64; }

  static Int SetBytes(uint8_t x) { return AsInt(vdupq_n_u8(x)); }
  static Int And(Int a, Int b) { return vandq_s32(a, b); }
  static Int Or(Int a, Int b) { return vorrq_s32(a, b); }
  static Int Xor(Int a, Int b) { return veorq_s32(a, b); }
  static Int ShiftLeft(Int a, size_t n) {
    return AsInt(vshlq_u8(Bytes(a), vdupq_n_s8(static_cast<int8_t>(n))));
  }
  static Int ShiftRight(Int a, size_t n) {
    return AsInt(vshlq_u8(Bytes(a), vdupq_n_s8(static_cast<int8_t>(-static_cast<int>(n)))));
  }
  static Int LowNibbles(Int a) { return And(a, SetBytes(15)); }
  static Int HighNibbles(Int a) { return AsInt(vshrq_n_u8(Bytes(a), 4)); }
  static Int LookUp(const int8_t (&table)[16], Int index) {
    return vreinterpretq_s32_s8(vqtbl1q_s8(vld1q_s8(table), Bytes(index)));
  }
  template <size_t kStep>
  static Int SpreadBits(Int bits) {
    constexpr int b = kStep / 2;
    constexpr uint32_t kFirst = kStep % 2 == 0 ? 0x08040201u : 0x80402010u;
    const uint8x16_t mask = vreinterpretq_u8_u32(vdupq_n_u32(kFirst));
    const uint8x16_t byte = Bytes(Shuffle<b, b, b, b>(bits));
    return AsInt(vandq_u8(vtstq_u8(byte, mask), vdupq_n_u8(16)));
  }

  // Load kLanes numbers of 16 bits at p, as floats.
  static Reg LoadF16(const uint8_t* p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
  static Reg LoadBF16(const uint8_t* p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
  }
  static Reg LoadHalves(const uint8_t* p, size_t stride) {
    uint16_t halves[4];
    for (size_t r = 0; r < 4; ++r) __builtin_memcpy(&halves[r], p + r * stride, 2);
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
  }
  static Reg LowHalves(Int a) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(vreinterpretq_u32_s32(a))));
  }
  static Reg HighHalves(Int a) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vshrn_n_u32(vreinterpretq_u32_s32(a), 16)));
  }

  template <size_t kPair>
  static Int PairOfBytes(Int a) {
    return Shuffle<2 * kPair, -1, 2 * kPair + 1, -1>(a);
  }
  template <size_t kPair>
  static Int PairOfSignedBytes(Int a) {
    const Int high = Shuffle<-1, 2 * kPair, -1, 2 * kPair + 1>(a);
    return vreinterpretq_s32_s16(vshrq_n_s16(vreinterpretq_s16_s32(high), 8));
  }
  static Int MulPairs(Int a, Int b) {
    const int16x8_t x = vreinterpretq_s16_s32(a);
    const int16x8_t y = vreinterpretq_s16_s32(b);
    return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
  }

  static Int Dot4(Int w, Int x) { return AddDot4(vdupq_n_s32(0), w, x); }
  static Int AddDot4(Int sums, Int w, Int x) {
    const int8x16_t a = vreinterpretq_s8_s32(w);
    const int8x16_t b = vreinterpretq_s8_s32(x);
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sums, a, b);
#else
    // Two products of at most 128 * 127 fit in 16 bits.
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    return vpadalq_s16(sums, vpaddq_s16(low, vmull_high_s8(a, b)));
#endif
  }
  static Scale SetScale(int x) { return vdupq_n_s32(x); }
  template <size_t kByte>
  static Scale ScaleOfByte(Int a) {
    return Shuffle<kByte, -1, -1, -1>(a);
  }
  template <size_t kByte>
  static Scale SignedScaleOfByte(Int a) {
    return vshrq_n_s32(Shuffle<-1, -1, -1, kByte>(a), 24);
  }
  static Int Fold(Int total, Int sums) { return vaddq_s32(total, sums); }
  static Int Fold(Int total, Int sums, Scale scale) { return vmlaq_s32(total, sums, scale); }

  static Int RoundEven(Reg x) { return vcvtnq_s32_f32(x); }
  static Int SubInt(Int a, Int b) { return vsubq_s32(a, b); }
  template <int kBits>
  static Int ShiftLanesLeft(Int a) {
    return vshlq_n_s32(a, kBits);
  }

 private:
  static uint8x16_t Bytes(Int a) { return vreinterpretq_u8_s32(a); }
  static Int AsInt(uint8x16_t a) { return vreinterpretq_s32_u8(a); }
  // Each lane becomes its bytes a, b, c, d; -1 gives 0.
  template <int a, int b, int c, int d>
  static Int Shuffle(Int v) {
    const auto at = [](int byte, int lane) {
      return static_cast<uint8_t>(byte < 0 ? 255 : 4 * lane + byte);
    };
    const uint8_t order[16] = {at(a, 0), at(b, 0), at(c, 0), at(d, 0), at(a, 1), at(b, 1),
                               at(c, 1), at(d, 1), at(a, 2), at(b, 2), at(c, 2), at(d, 2),
                               at(a, 3), at(b, 3), at(c, 3), at(d, 3)};
    return AsInt(vqtbl1q_u8(Bytes(v), vld1q_u8(order)));
  }
};

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_NEON_BYTES_H_
