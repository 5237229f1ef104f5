// SPDX-License-Identifier: MIT
// The vector unit of x86-64 with AVX-512 (F, BW, DQ, VL) and VNNI.
#ifndef CLAMMA_KERNELS_UNITS_AVX512_H_
#define CLAMMA_KERNELS_UNITS_AVX512_H_

#include <immintrin.h>

#include "kernels/skeletons/vector.h"
#include "kernels/units/avx512_bytes.h"

namespace clamma {
namespace {

// A mask of the first n of 16 lanes.
inline __mmask16 FirstLanes(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

// Joins 16 vectors of partial sums, each by the tree of Reduce16(). Lane r of the result is the sum
// of v[r]. add(a, b) adds two vectors.
template <typename Add>
inline __m512 ReduceRows(const __m512 (*v)[1], const Add& add) {
  __m512 eight[8];  // lanes 0-7: v[2i], 8-15: v[2i + 1], each with s[j] + s[j + 8]
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) {
    eight[i] = add(_mm512_shuffle_f32x4(v[2 * i][0], v[2 * i + 1][0], 0x44),
                   _mm512_shuffle_f32x4(v[2 * i][0], v[2 * i + 1][0], 0xee));
  }
  __m512 four[4];  // four rows, one in each 128-bit lane
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    four[i] = add(_mm512_shuffle_f32x4(eight[2 * i], eight[2 * i + 1], 0x88),
                  _mm512_shuffle_f32x4(eight[2 * i], eight[2 * i + 1], 0xdd));
  }
  __m512 two[2];  // pairs of two rows in each 128-bit lane
#pragma GCC unroll 2
  for (size_t i = 0; i < 2; ++i) {
    two[i] = add(_mm512_shuffle_ps(four[2 * i], four[2 * i + 1], 0x44),
                 _mm512_shuffle_ps(four[2 * i], four[2 * i + 1], 0xee));
  }
  const __m512 one =
      add(_mm512_shuffle_ps(two[0], two[1], 0x88), _mm512_shuffle_ps(two[0], two[1], 0xdd));
  // Lane l of `one` holds, in 128-bit lane c = l / 4 and place p = l % 4, row 4 * p + c.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_ps(order, one);
}

// Loads 32 bytes of each of two rows. An insert from memory needs no shuffle unit.
[[gnu::always_inline]] inline __m512i LoadTwoRows(const uint8_t* low, const uint8_t* high) {
  const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
  return _mm512_inserti64x4(_mm512_castsi256_si512(v),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)), 1);
}

// Loads 8 elements of 32 bits of each of 16 rows, `stride` bytes apart. v[j] is column j.
[[gnu::always_inline]] inline void LoadTransposed16x8(__m512i* v, const uint8_t* rows,
                                                      size_t stride) {
  __m512i w[8];  // rows 0 .. 3 with 4 .. 7 in the upper half, then 8 .. 11 with 12 .. 15
  const uint8_t* row = rows;
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) {
    w[i] = LoadTwoRows(row, row + 4 * stride);
    row += (i == 3 ? 5 : 1) * stride;
  }
  __m512i a[8];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    a[2 * i] = _mm512_unpacklo_epi32(w[2 * i], w[2 * i + 1]);
    a[2 * i + 1] = _mm512_unpackhi_epi32(w[2 * i], w[2 * i + 1]);
  }
  __m512i b[8];  // in 128-bit lane c, column 4 * (c % 2) + j of four rows
#pragma GCC unroll 2
  for (size_t i = 0; i < 2; ++i) {
    b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
    b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (size_t j = 0; j < 4; ++j) {
    v[j] = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88);
    v[4 + j] = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xdd);
  }
}

// Loads 4 elements of 32 bits of each of 16 rows, `stride` bytes apart. v[j] is column j.
[[gnu::always_inline]] inline void LoadTransposed16x4(__m512i* v, const uint8_t* rows,
                                                      size_t stride) {
  __m512i w[4];  // in 128-bit lane c, row 4 * c + i
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    const auto row = [&](size_t c) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + (4 * c + i) * stride));
    };
    w[i] = _mm512_castsi128_si512(row(0));
    w[i] = _mm512_inserti32x4(w[i], row(1), 1);
    w[i] = _mm512_inserti32x4(w[i], row(2), 2);
    w[i] = _mm512_inserti32x4(w[i], row(3), 3);
  }
  const __m512i low[2] = {_mm512_unpacklo_epi32(w[0], w[1]), _mm512_unpacklo_epi32(w[2], w[3])};
  const __m512i high[2] = {_mm512_unpackhi_epi32(w[0], w[1]), _mm512_unpackhi_epi32(w[2], w[3])};
  v[0] = _mm512_unpacklo_epi64(low[0], low[1]);
  v[1] = _mm512_unpackhi_epi64(low[0], low[1]);
  v[2] = _mm512_unpacklo_epi64(high[0], high[1]);
  v[3] = _mm512_unpackhi_epi64(high[0], high[1]);
}

// The low and high halves of kExp2Table's bits. Two registers hold 32 entries of either half, and
// one instruction selects 16 of them.
struct Exp2Halves {
  constexpr Exp2Halves() {
    for (size_t i = 0; i < Exp2Table::kEntries; ++i) {
      low[i] = static_cast<uint32_t>(kExp2Table.bits[i]);
      high[i] = static_cast<uint32_t>(kExp2Table.bits[i] >> 32);
    }
  }

  alignas(64) uint32_t low[Exp2Table::kEntries] = {};
  alignas(64) uint32_t high[Exp2Table::kEntries] = {};
};
constexpr Exp2Halves kExp2Halves;

// The numbers n and the factors 2^(r / 32) of Exp() for 8 floats, bit for bit.
struct Exp8 {
  explicit Exp8(__m256 x) {
    const __m512d magic = _mm512_set1_pd(6755399441055744.0);
    const __m512d scaled = _mm512_mul_pd(_mm512_cvtps_pd(x), _mm512_set1_pd(0x1.71547652b82fep+5));
    const __m512d shifted = _mm512_add_pd(scaled, magic);
    const __m512d r = _mm512_reduce_pd(scaled, 0);  // scaled - (shifted - magic), but for 0's sign
    const __m512d square = _mm512_mul_pd(r, r);
    const __m512d high = _mm512_add_pd(_mm512_mul_pd(_mm512_set1_pd(0x1.c6af84b9562e4p-20), r),
                                       _mm512_set1_pd(0x1.ebfce51010eadp-13));
    const __m512d line =
        _mm512_add_pd(_mm512_mul_pd(_mm512_set1_pd(0x1.62e42ff0c52dfp-6), r), _mm512_set1_pd(1.0));
    factor = _mm512_add_pd(_mm512_mul_pd(high, square), line);
    n = _mm512_castpd_si512(shifted);
  }

  __m256 Times(__m512i power) const {
    return _mm512_cvtpd_ps(_mm512_mul_pd(factor, _mm512_castsi512_pd(power)));
  }

  __m512d factor;
  __m512i n;  // in the low 32 bits of each 64-bit lane
};

// Exp() of 16 floats within its range.
inline __m512 Exp16(__m512 x) {
  const Exp8 first(_mm512_castps512_ps256(x));
  const Exp8 second(_mm512_extractf32x8_ps(x, 1));
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i n = _mm512_permutex2var_epi32(first.n, even, second.n);
  const auto entry = [n](const uint32_t* halves) {
    return _mm512_permutex2var_epi32(_mm512_load_si512(halves), n, _mm512_load_si512(halves + 16));
  };
  const __m512i low = entry(kExp2Halves.low);
  const __m512i high = _mm512_add_epi32(entry(kExp2Halves.high), _mm512_slli_epi32(n, 15));
  const __m512i pairs = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i more = _mm512_add_epi32(pairs, _mm512_set1_epi32(8));
  const __m256 of_first = first.Times(_mm512_permutex2var_epi32(low, pairs, high));
  const __m256 of_second = second.Times(_mm512_permutex2var_epi32(low, more, high));
  return _mm512_insertf32x8(_mm512_castps256_ps512(of_first), of_second, 1);
}

struct Avx512 : Avx512Bytes {
  using Reg = __m512;
  using Int = __m512i;
  static constexpr size_t kLanes = 16;

  // Chosen for 32 registers.
  static constexpr size_t kFloatRows = 4;
  static constexpr size_t kFloatTokens = 6;
  static constexpr size_t kFloatRowsOfOne = 16;
  static constexpr size_t kRowTiles = 2;
  static constexpr size_t kTokensOfHeldTile = 16;
  static constexpr size_t kTokensAtOnce = 8;
  // For native attention.
  static constexpr size_t kSumQueries = 8;
  static constexpr size_t kSumRegs = 16;
  static constexpr size_t kScoreQueries = 8;
  static constexpr size_t kScoreRegs = 2;
  static constexpr size_t kMixQueries = 4;
  static constexpr size_t kMixChunks = 4;
  static constexpr size_t kMinPanelTokens = kNever;

  static Reg Set1(float x) { return _mm512_set1_ps(x); }
  static Reg Load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg LoadBytes(const uint8_t* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, Reg x) { _mm512_storeu_ps(p, x); }
  static Reg LoadFirst(const float* p, size_t n) { return _mm512_maskz_loadu_ps(FirstLanes(n), p); }
  static Reg LoadLanes(const float* p, uint16_t lanes) { return _mm512_maskz_loadu_ps(lanes, p); }
  static void StoreFirst(float* p, Reg x, size_t n) { _mm512_mask_storeu_ps(p, FirstLanes(n), x); }
  template <bool kHalf>
  static Reg LoadKv(const uint8_t* p, size_t i) {
    if constexpr (!kHalf) return _mm512_loadu_ps(p + 4 * i);
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 2 * i)));
  }
  template <bool kHalf>
  static Reg LoadKvFirst(const uint8_t* p, size_t i, size_t n) {
    if constexpr (!kHalf) return _mm512_maskz_loadu_ps(FirstLanes(n), p + 4 * i);
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(FirstLanes(n), p + 2 * i));
  }
  static Int Gather(const uint8_t* base, const int32_t* index) {
    return _mm512_i32gather_epi32(_mm512_loadu_si512(index), base, 4);
  }

  static Reg Add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg Sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg Mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg Div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static Reg Fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg FmaFirst(const uint8_t* a, const float* b, Reg c, size_t n) {
    const __mmask16 mask = FirstLanes(n);
    return _mm512_mask3_fmadd_ps(_mm512_maskz_loadu_ps(mask, a), _mm512_maskz_loadu_ps(mask, b), c,
                                 mask);
  }
  // In assembly, as compilers make two instructions of it.
  static Reg FmaLanes(const uint8_t* a, Reg b, Reg c, uint16_t lanes) {
    asm("vfmadd231ps %3, %2, %0%{%1%}"
        : "+v"(c)
        : "Yk"(static_cast<__mmask16>(lanes)), "v"(b),
          "m"(*reinterpret_cast<const uint8_t(*)[sizeof(Reg)]>(a)));
    return c;
  }
  static Reg Negate(Reg a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
  static Reg Abs(Reg a) { return _mm512_abs_ps(a); }
  static Reg Max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static Reg Min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  // Lane i of the result is lane lanes[i] of a.
  static Reg Permute(Reg a, Int lanes) { return _mm512_permutexvar_ps(lanes, a); }
  static float ReduceMax(Reg a) { return _mm512_reduce_max_ps(a); }
  static Reg Exp(Reg x) {
    const Reg bounded = Min(Max(x, Set1(-104.0f)), Set1(89.0f));
    return Exp16(bounded);
  }
  static Reg Join(const Reg (&v)[kLanes][1]) { return ReduceRows(v, Add); }

  static Reg ToPower(Reg x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(x), 23));
  }
  static Reg IfNegative(Reg sign, Reg a, Reg b) {
    return _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(sign)), b, a);
  }
  static float ReduceAdd(Reg a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  }

  static Int SetInt(int32_t x) { return _mm512_set1_epi32(x); }
  static Int LoadInt(const int32_t* p) { return _mm512_loadu_si512(p); }
  static Int AddInt(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static int32_t ReduceAddInt(Int a) { return _mm512_reduce_add_epi32(a); }
  static Reg ToFloat(Int a) { return _mm512_cvtepi32_ps(a); }
  // Adding 0.5 would round up a number just below a tie; adding the largest float below 0.5 does
  // not.
  static Int RoundAway(Reg x) {
    const Reg sign = _mm512_and_ps(x, _mm512_set1_ps(-0.0f));
    return _mm512_cvttps_epi32(
        _mm512_add_ps(x, _mm512_or_ps(sign, _mm512_set1_ps(0x1.fffffep-2f))));
  }
  static void StoreInt8(int8_t* p, Int x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
  }

  template <size_t kSteps>
  [[gnu::always_inline]] static void LoadTransposed(Int* v, const uint8_t* rows, size_t stride) {
    if constexpr (kSteps >= 8) {
#pragma GCC unroll 2
      for (size_t s = 0; s < kSteps; s += 8) {
        asm("" : "+r"(rows));  // one address, not a register for each row
        LoadTransposed16x8(v + s, rows + 4 * s, stride);
      }
    } else if constexpr (kSteps == 4) {
      LoadTransposed16x4(v, rows, stride);
    } else {
#pragma GCC unroll 4
      for (size_t s = 0; s < kSteps; ++s) v[s] = LoadColumn16(rows + 4 * s, stride);
    }
  }
  static Reg AsFloat(Int a) { return _mm512_castsi512_ps(a); }

  template <size_t kSteps>
  struct Tile {
    // Flips the sign bits, as the instruction takes unsigned weights; StartSum() compensates.
    [[gnu::always_inline]] void Load(const uint8_t* rows, size_t stride) {
      Int v[kSteps];
      LoadTransposed<kSteps>(v, rows, stride);
      const Int sign = _mm512_set1_epi8(static_cast<char>(0x80));
#pragma GCC unroll 16
      for (size_t s = 0; s < kSteps; ++s) steps[s] = _mm512_xor_si512(v[s], sign);
    }

    Int steps[kSteps];
  };

  static Int StartSum(int32_t x_sum) { return _mm512_set1_epi32(x_sum); }

  template <size_t kGroup, size_t kAhead>
  static Int DotGroups(const uint8_t* weights, const int8_t* q, const int32_t* x_sums) {
    static_assert(kGroup == 64);
    const Int sign = _mm512_set1_epi8(static_cast<char>(0x80));
    Reg dots[kLanes][1];
#pragma GCC unroll 16
    for (size_t g = 0; g < kLanes; ++g) {
      const uint8_t* line = weights + 64 * g;
      PrefetchLine<CacheLevel::kPassing>(line + kAhead);  // weights are read once
      Int dot = _mm512_setzero_si512();
      AddProducts(&dot, _mm512_xor_si512(_mm512_loadu_si512(line), sign),
                  _mm512_loadu_si512(q + 64 * g));
      dots[g][0] = AsFloat(dot);
    }
    const auto add = [](Reg a, Reg b) {
      return AsFloat(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
    };
    return AddInt(_mm512_castps_si512(ReduceRows(dots, add)), LoadInt(x_sums));
  }

  // Computes each step for all tokens before the next one: a chain of sums that wait for each other
  // would fill the scheduler. With kHeld all steps are unrolled, so that tiles can stay in
  // registers.
  template <bool kHeld, size_t kSteps, size_t kTiles, size_t kTokens, typename Between>
  [[gnu::always_inline]] static void Dot(Int (&sums)[kTokens][kTiles],
                                         const Tile<kSteps> (&tiles)[kTiles], const int8_t* q,
                                         size_t stride, const Between& between) {
    // Where there are few sums, each is divided into several, so that steps do not wait.
    constexpr size_t kSums = kTiles * kTokens;
    constexpr size_t kChains = kSums >= 8 ? 1 : kSums >= 4 ? 2 : vector::Min(4, kSteps);
    if constexpr (kChains > 1) {
      Int chains[kChains][kTokens][kTiles] = {};
#pragma GCC unroll 16
      for (size_t s = 0; s < kSteps; ++s) {
        between();
        DotStep(chains[s % kChains], tiles, q + 4 * s, stride, s);
      }
#pragma GCC unroll 4
      for (size_t c = 0; c < kChains; ++c) AddSums(sums, chains[c]);
    } else if constexpr (kHeld) {
#pragma GCC unroll 16
      for (size_t s = 0; s < kSteps; ++s) {
        between();
        DotStep(sums, tiles, q + 4 * s, stride, s);
      }
    } else {
#pragma GCC unroll 2
      for (size_t s = 0; s < kSteps; ++s) DotStep(sums, tiles, q + 4 * s, stride, s);
    }
  }

 private:
  template <size_t kSteps, size_t kTiles, size_t kTokens>
  [[gnu::always_inline]] static void DotStep(Int (&sums)[kTokens][kTiles],
                                             const Tile<kSteps> (&tiles)[kTiles], const int8_t* q,
                                             size_t stride, size_t s) {
#pragma GCC unroll 16
    for (size_t t = 0; t < kTokens; ++t) {
      const auto& four = *reinterpret_cast<const int8_t(*)[4]>(q + t * stride);
      if constexpr (kTiles == 1) {
        AddProducts(&sums[t][0], tiles[0].steps[s], four);
      } else {
        int32_t bits = 0;
        __builtin_memcpy(&bits, four, sizeof(bits));
        const Int everywhere = _mm512_set1_epi32(bits);
#pragma GCC unroll 4
        for (size_t r = 0; r < kTiles; ++r) AddProducts(&sums[t][r], tiles[r].steps[s], everywhere);
      }
    }
  }
  template <size_t kTiles, size_t kTokens>
  static void AddSums(Int (&sums)[kTokens][kTiles], const Int (&more)[kTokens][kTiles]) {
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t r = 0; r < kTiles; ++r) sums[t][r] = _mm512_add_epi32(sums[t][r], more[t][r]);
    }
  }
  // _mm512_dpbusd_epi32(), for which GCC 12 copies each sum back and forth.
  static void AddProducts(Int* sum, Int weights, Int x) {
    asm("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(weights), "v"(x));
  }
  // Multiplies every lane by the same four bytes of memory.
  static void AddProducts(Int* sum, Int weights, const int8_t (&x)[4]) {
    asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(*sum) : "v"(weights), "m"(x));
  }
};

static_assert(Unit<Avx512>);

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_UNITS_AVX512_H_
