// SPDX-License-Identifier: MIT
// The vector unit of x86-64 with AVX2, FMA and F16C, with or without AVX-VNNI. Each table's source
// file includes this and compiles it for its own instruction set.
#ifndef CLAMMA_KERNELS_UNITS_AVX2_H_
#define CLAMMA_KERNELS_UNITS_AVX2_H_

#include <immintrin.h>

#include "kernels/skeletons/vector.h"
#include "kernels/units/avx2_bytes.h"

namespace clamma {
namespace {

// A mask of the first n of 8 lanes.
inline __m256i FirstLanes(size_t n) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lanes);
}

// Joins 8 pairs of vectors of partial sums, each by the tree of Reduce16(). Lane r of the result is
// the sum of v[r].
inline __m256 JoinRows(const __m256 (*v)[2]) {
  __m256 four[4];  // rows i and i + 4, one in each 128-bit lane
  for (size_t i = 0; i < 4; ++i) {
    const __m256 low = _mm256_add_ps(v[i][0], v[i][1]);
    const __m256 high = _mm256_add_ps(v[i + 4][0], v[i + 4][1]);
    four[i] = _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                            _mm256_permute2f128_ps(low, high, 0x31));
  }
  __m256 two[2];  // pairs of two rows in each 128-bit lane
  for (size_t i = 0; i < 2; ++i) {
    two[i] = _mm256_add_ps(_mm256_shuffle_ps(four[2 * i], four[2 * i + 1], 0x44),
                           _mm256_shuffle_ps(four[2 * i], four[2 * i + 1], 0xee));
  }
  return _mm256_add_ps(_mm256_shuffle_ps(two[0], two[1], 0x88),
                       _mm256_shuffle_ps(two[0], two[1], 0xdd));
}

// Steps of a tree that sums each of 8 vectors. Within 128-bit lanes, the first adds pairs of two
// vectors, the second those of four; the third adds the 128-bit lanes.
inline __m256i JoinTwo(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}
inline __m256i JoinFour(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}
inline __m256i JoinEight(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                          _mm256_permute2x128_si256(a, b, 0x31));
}

// Lane r of the result is the sum of v[r].
inline __m256i SumsOf(const __m256i (&v)[8]) {
  return JoinEight(JoinFour(JoinTwo(v[0], v[1]), JoinTwo(v[2], v[3])),
                   JoinFour(JoinTwo(v[4], v[5]), JoinTwo(v[6], v[7])));
}

// v[s] = element s, of 32 bits, of each of 8 rows at p, which are `stride` bytes apart, for s < 4.
inline void LoadTransposed8x4(__m256i* v, const uint8_t* p, size_t stride) {
  __m256i a[4];  // rows i and i + 4
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    const auto* low = reinterpret_cast<const __m128i*>(p + i * stride);
    const auto* high = reinterpret_cast<const __m128i*>(p + (i + 4) * stride);
    a[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)),
                                   _mm_loadu_si128(high), 1);
  }
  const __m256i low01 = _mm256_unpacklo_epi32(a[0], a[1]);
  const __m256i high01 = _mm256_unpackhi_epi32(a[0], a[1]);
  const __m256i low23 = _mm256_unpacklo_epi32(a[2], a[3]);
  const __m256i high23 = _mm256_unpackhi_epi32(a[2], a[3]);
  v[0] = _mm256_unpacklo_epi64(low01, low23);
  v[1] = _mm256_unpackhi_epi64(low01, low23);
  v[2] = _mm256_unpacklo_epi64(high01, high23);
  v[3] = _mm256_unpackhi_epi64(high01, high23);
}

// Exp() of 4 floats within its range, with the same operations.
inline __m128 Exp4(__m128 x) {
  const __m256d wide = _mm256_cvtps_pd(x);
  const __m256d magic = _mm256_set1_pd(6755399441055744.0);
  const __m256d scaled = _mm256_mul_pd(wide, _mm256_set1_pd(0x1.71547652b82fep+5));
  const __m256d shifted = _mm256_add_pd(scaled, magic);
  const __m256d r = _mm256_sub_pd(scaled, _mm256_sub_pd(shifted, magic));
  const __m256d square = _mm256_mul_pd(r, r);
  const __m256d high = _mm256_add_pd(_mm256_mul_pd(_mm256_set1_pd(0x1.c6af84b9562e4p-20), r),
                                     _mm256_set1_pd(0x1.ebfce51010eadp-13));
  const __m256d line =
      _mm256_add_pd(_mm256_mul_pd(_mm256_set1_pd(0x1.62e42ff0c52dfp-6), r), _mm256_set1_pd(1.0));
  const __m256d factor = _mm256_add_pd(_mm256_mul_pd(high, square), line);
  const __m256i n = _mm256_castpd_si256(shifted);
  const __m256d entry = _mm256_i64gather_pd(reinterpret_cast<const double*>(kExp2Table.bits),
                                            _mm256_and_si256(n, _mm256_set1_epi64x(31)), 8);
  const __m256i power = _mm256_add_epi64(_mm256_castpd_si256(entry), _mm256_slli_epi64(n, 47));
  return _mm256_cvtpd_ps(_mm256_mul_pd(factor, _mm256_castsi256_pd(power)));
}

struct Avx2 : Avx2Bytes {
  using Reg = __m256;
  using Int = __m256i;
  static constexpr size_t kLanes = 8;

  // Chosen for 16 registers.
  static constexpr size_t kFloatRows = 2;
  static constexpr size_t kFloatTokens = 3;
  static constexpr size_t kFloatRowsOfOne = 4;
  static constexpr size_t kRowTiles = 1;
  static constexpr size_t kTokensOfHeldTile = 0;
  static constexpr size_t kTokensAtOnce = 2;
  // For native attention.
  static constexpr size_t kSumQueries = 6;
  static constexpr size_t kSumRegs = 12;
  static constexpr size_t kScoreQueries = 4;
  static constexpr size_t kScoreRegs = 2;
  static constexpr size_t kMixQueries = 2;
  static constexpr size_t kMixChunks = 4;
  static constexpr size_t kMinPanelTokens = 13;

  static Reg Set1(float x) { return _mm256_set1_ps(x); }
  static Reg Load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg LoadBytes(const uint8_t* p) {
    return _mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static void Store(float* p, Reg x) { _mm256_storeu_ps(p, x); }
  static Reg LoadFirst(const float* p, size_t n) { return _mm256_maskload_ps(p, FirstLanes(n)); }
  static void StoreFirst(float* p, Reg x, size_t n) { _mm256_maskstore_ps(p, FirstLanes(n), x); }
  template <bool kHalf>
  static Reg LoadKv(const uint8_t* p, size_t i) {
    if constexpr (!kHalf) return LoadBytes(p + 4 * i);
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 2 * i)));
  }
  template <bool kHalf>
  static Reg LoadKvFirst(const uint8_t* p, size_t i, size_t n) {
    if constexpr (!kHalf) return LoadFirst(reinterpret_cast<const float*>(p + 4 * i), n);
    alignas(16) uint16_t halves[kLanes] = {};
    for (size_t k = 0; k < n; ++k) __builtin_memcpy(&halves[k], p + 2 * (i + k), 2);
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(halves)));
  }
  static Int Gather(const uint8_t* base, const int32_t* index) {
    const Int at = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index));
    return _mm256_i32gather_epi32(reinterpret_cast<const int*>(base), at, 4);
  }

  static Reg Add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg Sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg Mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg Div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  static Reg Fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg FmaFirst(const uint8_t* a, const float* b, Reg c, size_t n) {
    const Int mask = FirstLanes(n);
    const Reg sum = _mm256_fmadd_ps(_mm256_maskload_ps(reinterpret_cast<const float*>(a), mask),
                                    _mm256_maskload_ps(b, mask), c);
    return _mm256_blendv_ps(c, sum, _mm256_castsi256_ps(mask));
  }
  static Reg Negate(Reg a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
  static Reg Abs(Reg a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static Reg Max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  static Reg Min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  static float ReduceMax(Reg a) {
    __m128 max = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    max = _mm_max_ps(max, _mm_movehl_ps(max, max));
    return _mm_cvtss_f32(_mm_max_ss(max, _mm_movehdup_ps(max)));
  }
  static Reg Exp(Reg x) {
    const Reg bounded = Min(Max(x, Set1(-104.0f)), Set1(89.0f));
    const __m128 low = Exp4(_mm256_castps256_ps128(bounded));
    return _mm256_insertf128_ps(_mm256_castps128_ps256(low),
                                Exp4(_mm256_extractf128_ps(bounded, 1)), 1);
  }
  static Reg Join(const Reg (&v)[kLanes][2]) { return JoinRows(v); }

  static Reg ToPower(Reg x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), 23));
  }
  static Reg IfNegative(Reg sign, Reg a, Reg b) { return _mm256_blendv_ps(b, a, sign); }
  static float ReduceAdd(Reg a) {
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  }

  static Int SetInt(int32_t x) { return _mm256_set1_epi32(x); }
  static Int AddInt(Int a, Int b) { return _mm256_add_epi32(a, b); }
  static int32_t ReduceAddInt(Int a) {
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
  }
  static Reg ToFloat(Int a) { return _mm256_cvtepi32_ps(a); }
  static Int RoundAway(Reg x) {
    const Reg sign = _mm256_and_ps(x, _mm256_set1_ps(-0.0f));
    return _mm256_cvttps_epi32(
        _mm256_add_ps(x, _mm256_or_ps(sign, _mm256_set1_ps(0x1.fffffep-2f))));
  }
  static void StoreInt8(int8_t* p, Int x) {
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
  }

  template <size_t kSteps>
  static void LoadTransposed(Int* v, const uint8_t* rows, size_t stride) {
    if constexpr (kSteps >= 4) {
#pragma GCC unroll 4
      for (size_t s = 0; s < kSteps; s += 4) LoadTransposed8x4(v + s, rows + 4 * s, stride);
    } else {
      for (size_t s = 0; s < kSteps; ++s) {
        int32_t elements[kLanes];
#pragma GCC unroll 8
        for (size_t r = 0; r < kLanes; ++r) {
          __builtin_memcpy(&elements[r], rows + r * stride + 4 * s, 4);
        }
        v[s] = _mm256_setr_epi32(elements[0], elements[1], elements[2], elements[3], elements[4],
                                 elements[5], elements[6], elements[7]);
      }
    }
  }
  static Reg AsFloat(Int a) { return _mm256_castsi256_ps(a); }

  template <size_t kSteps>
  struct Tile {
    void Load(const uint8_t* rows, size_t stride) {
      Int v[kSteps];
      LoadTransposed<kSteps>(v, rows, stride);
#pragma GCC unroll 16
      for (size_t s = 0; s < kSteps; ++s) Keep(s, v[s]);
    }

#if defined(__AVXVNNI__)
    // vpdpbusd takes unsigned weights.
    void Keep(size_t s, Int v) {
      steps[s] = _mm256_xor_si256(v, _mm256_set1_epi8(static_cast<char>(0x80)));
    }
#else
    void Keep(size_t s, Int v) {
      steps[s] = v;
      magnitudes[s] = _mm256_abs_epi8(v);
    }
    Int magnitudes[kSteps];
#endif
    Int steps[kSteps];
  };

#if defined(__AVXVNNI__)
  static Int StartSum(int32_t x_sum) { return _mm256_set1_epi32(x_sum); }
  template <size_t kSteps>
  static Int DotStep(Int sum, const Tile<kSteps>& tile, size_t s, Int four) {
    return _mm256_dpbusd_avx_epi32(sum, tile.steps[s], four);
  }
#else
  static Int StartSum(int32_t /*x_sum*/) { return _mm256_setzero_si256(); }
  // Multiplies |w| by x with w's sign. Two products of at most 128 * 127 fit in 16 bits.
  template <size_t kSteps>
  static Int DotStep(Int sum, const Tile<kSteps>& tile, size_t s, Int four) {
    const Int pairs =
        _mm256_maddubs_epi16(tile.magnitudes[s], _mm256_sign_epi8(four, tile.steps[s]));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  // Reads rows as they lie in memory. A group is a cache line, or half of one.
  template <size_t kGroup, size_t kAhead>
  static Int DotGroups(const uint8_t* weights, const int8_t* q, const int32_t* /*x_sums*/) {
    const Int ones = _mm256_set1_epi16(1);
    Int dots[kLanes];
#pragma GCC unroll 8
    for (size_t g = 0; g < kLanes; ++g) {
#pragma GCC unroll 2
      for (size_t k = g * kGroup; k < (g + 1) * kGroup; k += 32) {
        const Int w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + k));
        const Int x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + k));
        const Int pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
        const Int fours = _mm256_madd_epi16(pairs, ones);
        dots[g] = k == g * kGroup ? fours : _mm256_add_epi32(dots[g], fours);
        if (k % kLine == 0) PrefetchLine<CacheLevel::kPassing>(weights + k + kAhead);
      }
    }
    return SumsOf(dots);
  }
#endif

  template <bool kHeld, size_t kSteps, size_t kTiles, size_t kTokens, typename Between>
  static void Dot(Int (&sums)[kTokens][kTiles], const Tile<kSteps> (&tiles)[kTiles],
                  const int8_t* q, size_t stride, const Between& /*between*/) {
#pragma GCC unroll 16
    for (size_t s = 0; s < kSteps; ++s) {
#pragma GCC unroll 8
      for (size_t t = 0; t < kTokens; ++t) {
        int32_t four = 0;
        __builtin_memcpy(&four, q + t * stride + 4 * s, sizeof(four));
#pragma GCC unroll 4
        for (size_t r = 0; r < kTiles; ++r) {
          sums[t][r] = DotStep(sums[t][r], tiles[r], s, _mm256_set1_epi32(four));
        }
      }
    }
  }
};

static_assert(Unit<Avx2>);

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_AVX2_H_
