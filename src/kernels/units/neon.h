// SPDX-License-Identifier: MIT
// The vector unit of AArch64, with or without the dot product of Armv8.2. Each table's source file
// includes this and compiles it for its own instruction set.
#ifndef CLAMMA_KERNELS_UNITS_NEON_H_
#define CLAMMA_KERNELS_UNITS_NEON_H_

#include <arm_neon.h>

#include "kernels/skeletons/vector.h"
#include "kernels/units/neon_bytes.h"

namespace clamma {
namespace {

// Joins 4 quadruples of vectors of partial sums, each by the tree of Reduce16(). Lane r of the
// result is the sum of v[r].
inline float32x4_t JoinRows(const float32x4_t (*v)[4]) {
  float32x4_t four[4];
  for (size_t r = 0; r < 4; ++r) {
    four[r] = vaddq_f32(vaddq_f32(v[r][0], v[r][2]), vaddq_f32(v[r][1], v[r][3]));
  }
  float32x4_t two[2];  // pairs of two rows
  for (size_t i = 0; i < 2; ++i) {
    const float64x2_t a = vreinterpretq_f64_f32(four[2 * i]);
    const float64x2_t b = vreinterpretq_f64_f32(four[2 * i + 1]);
    two[i] =
        vaddq_f32(vreinterpretq_f32_f64(vzip1q_f64(a, b)), vreinterpretq_f32_f64(vzip2q_f64(a, b)));
  }
  return vaddq_f32(vuzp1q_f32(two[0], two[1]), vuzp2q_f32(two[0], two[1]));
}

// Transposes 4 x 4 elements of 32 bits.
inline void Transpose4(int32x4_t* v) {
  const int64x2_t a = vreinterpretq_s64_s32(vtrn1q_s32(v[0], v[1]));
  const int64x2_t b = vreinterpretq_s64_s32(vtrn2q_s32(v[0], v[1]));
  const int64x2_t c = vreinterpretq_s64_s32(vtrn1q_s32(v[2], v[3]));
  const int64x2_t d = vreinterpretq_s64_s32(vtrn2q_s32(v[2], v[3]));
  v[0] = vreinterpretq_s32_s64(vzip1q_s64(a, c));
  v[1] = vreinterpretq_s32_s64(vzip1q_s64(b, d));
  v[2] = vreinterpretq_s32_s64(vzip2q_s64(a, c));
  v[3] = vreinterpretq_s32_s64(vzip2q_s64(b, d));
}

// Exp() of 2 floats within its range, given and returned as doubles, with the same operations.
inline float64x2_t Exp2Lanes(float64x2_t wide) {
  const float64x2_t magic = vdupq_n_f64(6755399441055744.0);
  const float64x2_t scaled = vmulq_f64(wide, vdupq_n_f64(0x1.71547652b82fep+5));
  const float64x2_t shifted = vaddq_f64(scaled, magic);
  const float64x2_t r = vsubq_f64(scaled, vsubq_f64(shifted, magic));
  const float64x2_t square = vmulq_f64(r, r);
  const float64x2_t high = vaddq_f64(vmulq_f64(vdupq_n_f64(0x1.c6af84b9562e4p-20), r),
                                     vdupq_n_f64(0x1.ebfce51010eadp-13));
  const float64x2_t line =
      vaddq_f64(vmulq_f64(vdupq_n_f64(0x1.62e42ff0c52dfp-6), r), vdupq_n_f64(1.0));
  const float64x2_t factor = vaddq_f64(vmulq_f64(high, square), line);
  const uint64x2_t n = vreinterpretq_u64_f64(shifted);
  const uint64_t* table = kExp2Table.bits;
  const uint64x2_t entry = vsetq_lane_u64(table[vgetq_lane_u64(n, 1) % 32],
                                          vdupq_n_u64(table[vgetq_lane_u64(n, 0) % 32]), 1);
  const uint64x2_t power = vaddq_u64(entry, vshlq_n_u64(n, 47));
  return vmulq_f64(factor, vreinterpretq_f64_u64(power));
}

struct Neon : NeonBytes {
  using Reg = float32x4_t;
  using Int = int32x4_t;
  static constexpr size_t kLanes = 4;

  // Chosen for 32 registers.
  static constexpr size_t kFloatRows = 2;
  static constexpr size_t kFloatTokens = 3;
  static constexpr size_t kFloatRowsOfOne = 4;
  static constexpr size_t kMinPanelTokens = kNever;
  static constexpr size_t kRowTiles = 1;
  static constexpr size_t kTokensOfHeldTile = 0;
  static constexpr size_t kTokensAtOnce = 2;
  // For native attention.
  static constexpr size_t kSumQueries = 6;
  static constexpr size_t kSumRegs = 24;
  static constexpr size_t kScoreQueries = 4;
  static constexpr size_t kScoreRegs = 4;
  static constexpr size_t kMixQueries = 4;
  static constexpr size_t kMixChunks = 4;

  static Reg Set1(float x) { return vdupq_n_f32(x); }
  static Reg Load(const float* p) { return vld1q_f32(p); }
  static Reg LoadBytes(const uint8_t* p) { return vreinterpretq_f32_u8(vld1q_u8(p)); }
  static void Store(float* p, Reg x) { vst1q_f32(p, x); }
  static Reg LoadFirst(const float* p, size_t n) {
    float elements[kLanes] = {};
    for (size_t i = 0; i < n; ++i) elements[i] = p[i];
    return vld1q_f32(elements);
  }
  static void StoreFirst(float* p, Reg x, size_t n) {
    float elements[kLanes];
    vst1q_f32(elements, x);
    for (size_t i = 0; i < n; ++i) p[i] = elements[i];
  }
  template <bool kHalf>
  static Reg LoadKv(const uint8_t* p, size_t i) {
    if constexpr (!kHalf) return LoadBytes(p + 4 * i);
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p + 2 * i)));
  }
  template <bool kHalf>
  static Reg LoadKvFirst(const uint8_t* p, size_t i, size_t n) {
    float elements[kLanes] = {};
    for (size_t k = 0; k < n; ++k) elements[k] = portable::LoadKv<kHalf>(p, i + k);
    return vld1q_f32(elements);
  }
  static Int Gather(const uint8_t* base, const int32_t* index) {
    int32_t elements[kLanes];
    for (size_t i = 0; i < kLanes; ++i) {
      __builtin_memcpy(&elements[i], base + ptrdiff_t{4} * index[i], sizeof(elements[i]));
    }
    return vld1q_s32(elements);
  }

  static Reg Add(Reg a, Reg b) { return vaddq_f32(a, b); }
  static Reg Sub(Reg a, Reg b) { return vsubq_f32(a, b); }
  static Reg Mul(Reg a, Reg b) { return vmulq_f32(a, b); }
  static Reg Div(Reg a, Reg b) { return vdivq_f32(a, b); }
  static Reg Fma(Reg a, Reg b, Reg c) { return vfmaq_f32(c, a, b); }
  static Reg FmaFirst(const uint8_t* a, const float* b, Reg c, size_t n) {
    float elements[kLanes];
    vst1q_f32(elements, c);
    for (size_t i = 0; i < n; ++i) elements[i] = clamma::Fma(LoadF32(a + 4 * i), b[i], elements[i]);
    return vld1q_f32(elements);
  }
  static Reg Negate(Reg a) { return vnegq_f32(a); }
  static Reg Abs(Reg a) { return vabsq_f32(a); }
  // FMAX and FMIN cannot be used: they return NaN if either operand is NaN.
  static Reg Max(Reg a, Reg b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static Reg Min(Reg a, Reg b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static float ReduceMax(Reg a) { return vmaxvq_f32(a); }
  static Reg Exp(Reg x) {
    const Reg bounded = Min(Max(x, Set1(-104.0f)), Set1(89.0f));
    const float32x2_t low = vcvt_f32_f64(Exp2Lanes(vcvt_f64_f32(vget_low_f32(bounded))));
    return vcvt_high_f32_f64(low, Exp2Lanes(vcvt_high_f64_f32(bounded)));
  }
  static Reg Join(const Reg (&v)[kLanes][4]) { return JoinRows(v); }

  static Reg ToPower(Reg x) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(x), 23));
  }
  static Reg IfNegative(Reg sign, Reg a, Reg b) {
    return vbslq_f32(vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_f32(sign), 31)), a, b);
  }
  static float ReduceAdd(Reg a) {
    const float32x2_t two = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(vpadd_f32(two, two), 0);
  }

  static Int SetInt(int32_t x) { return vdupq_n_s32(x); }
  static Int AddInt(Int a, Int b) { return vaddq_s32(a, b); }
  static int32_t ReduceAddInt(Int a) { return vaddvq_s32(a); }
  static Reg ToFloat(Int a) { return vcvtq_f32_s32(a); }
  static Int RoundAway(Reg x) { return vcvtaq_s32_f32(x); }
  static void StoreInt8(int8_t* p, Int x) {
    const int16x4_t words = vmovn_s32(x);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    const int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
    __builtin_memcpy(p, &four, sizeof(four));
  }

  template <size_t kSteps>
  static void LoadTransposed(Int* v, const uint8_t* rows, size_t stride) {
    constexpr size_t kWidth = portable::Min(kSteps, 4);
#pragma GCC unroll 4
    for (size_t s = 0; s < kSteps; s += 4) {
      Int columns[4];
#pragma GCC unroll 4
      for (size_t r = 0; r < 4; ++r) {
        const uint8_t* p = rows + r * stride + 4 * s;
        if constexpr (kSteps >= 4) {
          columns[r] = vreinterpretq_s32_u8(vld1q_u8(p));
        } else {
          int32_t elements[4] = {};
          __builtin_memcpy(elements, p, 4 * kSteps);
          columns[r] = vld1q_s32(elements);
        }
      }
      Transpose4(columns);
#pragma GCC unroll 4
      for (size_t i = 0; i < kWidth; ++i) v[s + i] = columns[i];
    }
  }
  static Reg AsFloat(Int a) { return vreinterpretq_f32_s32(a); }

  template <size_t kSteps>
  struct Tile {
    void Load(const uint8_t* rows, size_t stride) {
      Int v[kSteps];
      LoadTransposed<kSteps>(v, rows, stride);
#pragma GCC unroll 16
      for (size_t s = 0; s < kSteps; ++s) steps[s] = vreinterpretq_s8_s32(v[s]);
    }

    int8x16_t steps[kSteps];
  };

  static Int StartSum(int32_t /*x_sum*/) { return vdupq_n_s32(0); }

  static int8x16_t Broadcast4(const int8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof(four));
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }

#if defined(__ARM_FEATURE_DOTPROD)
  template <bool kHeld, size_t kSteps, size_t kTiles, size_t kTokens, typename Between>
  static void Dot(Int (&sums)[kTokens][kTiles], const Tile<kSteps> (&tiles)[kTiles],
                  const int8_t* q, size_t stride, const Between& /*between*/) {
#pragma GCC unroll 16
    for (size_t s = 0; s < kSteps; ++s) {
#pragma GCC unroll 8
      for (size_t t = 0; t < kTokens; ++t) {
        const int8x16_t four = Broadcast4(q + t * stride + 4 * s);
#pragma GCC unroll 4
        for (size_t r = 0; r < kTiles; ++r) {
          sums[t][r] = vdotq_s32(sums[t][r], tiles[r].steps[s], four);
        }
      }
    }
  }
#else
  // Two products of at most 128 * 127 fit in 16 bits, so two steps are added in 16 bits before
  // their pairs are added in 32 bits. The upper half holds rows 2 and 3.
  template <bool kHeld, size_t kSteps, size_t kTiles, size_t kTokens, typename Between>
  static void Dot(Int (&sums)[kTokens][kTiles], const Tile<kSteps> (&tiles)[kTiles],
                  const int8_t* q, size_t stride, const Between& /*between*/) {
    static_assert(kTiles == 1);
    const Tile<kSteps>& tile = tiles[0];
    for (size_t t = 0; t < kTokens; ++t) {
      Int low = vdupq_n_s32(0);
      Int high = vdupq_n_s32(0);
#pragma GCC unroll 8
      for (size_t s = 0; s < kSteps; s += 2) {
        const int8x16_t a = Broadcast4(q + t * stride + 4 * s);
        int16x8_t low16 = vmull_s8(vget_low_s8(tile.steps[s]), vget_low_s8(a));
        int16x8_t high16 = vmull_high_s8(tile.steps[s], a);
        if (s + 1 < kSteps) {
          const int8x16_t b = Broadcast4(q + t * stride + 4 * s + 4);
          low16 = vmlal_s8(low16, vget_low_s8(tile.steps[s + 1]), vget_low_s8(b));
          high16 = vmlal_high_s8(high16, tile.steps[s + 1], b);
        }
        low = vpadalq_s16(low, low16);
        high = vpadalq_s16(high, high16);
      }
      sums[t][0] = vaddq_s32(sums[t][0], vpaddq_s32(low, high));
    }
  }
#endif
};

static_assert(Unit<Neon>);

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_NEON_H_
