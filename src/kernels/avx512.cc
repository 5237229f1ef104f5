// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX-512 (F, BW, DQ, VL) and VNNI.
#include <immintrin.h>

#include "kernels/vector_activations.h"
#include "kernels/vector_matmul.h"

namespace clamma {
namespace {

// The first n of 16 lanes.
inline __mmask16 FirstLanes(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

// Joins 16 vectors of partial sums, each by the tree of Reduce16(): lane r of the result is the sum
// of v[r].
inline __m512 ReduceRows(const __m512 (*v)[1]) {
  __m512 eight[8];  // lanes 0-7: v[2i], 8-15: v[2i + 1], each with s[j] + s[j + 8]
  for (size_t i = 0; i < 8; ++i) {
    eight[i] = _mm512_add_ps(_mm512_shuffle_f32x4(v[2 * i][0], v[2 * i + 1][0], 0x44),
                             _mm512_shuffle_f32x4(v[2 * i][0], v[2 * i + 1][0], 0xee));
  }
  __m512 four[4];  // four rows a vector, one a 128-bit lane
  for (size_t i = 0; i < 4; ++i) {
    four[i] = _mm512_add_ps(_mm512_shuffle_f32x4(eight[2 * i], eight[2 * i + 1], 0x88),
                            _mm512_shuffle_f32x4(eight[2 * i], eight[2 * i + 1], 0xdd));
  }
  __m512 two[2];  // in each 128-bit lane two rows' pairs
  for (size_t i = 0; i < 2; ++i) {
    two[i] = _mm512_add_ps(_mm512_shuffle_ps(four[2 * i], four[2 * i + 1], 0x44),
                           _mm512_shuffle_ps(four[2 * i], four[2 * i + 1], 0xee));
  }
  const __m512 one = _mm512_add_ps(_mm512_shuffle_ps(two[0], two[1], 0x88),
                                   _mm512_shuffle_ps(two[0], two[1], 0xdd));
  // Lane l of `one` holds, in 128-bit lane c = l / 4 and place p = l % 4, row 4 * p + c.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_ps(order, one);
}

// Transposes 16 x 16 elements of 32 bits.
inline void Transpose16(__m512i* v) {
  __m512i a[16];
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i) {
    a[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
    a[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
  }
  __m512i b[16];  // b[4i + j]: in each 128-bit lane c, column 4c + j of rows 4i .. 4i + 3
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
    b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (size_t j = 0; j < 4; ++j) {
    const __m512i lo01 = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88);  // lanes 0, 2 of rows 0-7
    const __m512i hi01 = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xdd);  // lanes 1, 3
    const __m512i lo23 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0x88);
    const __m512i hi23 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0xdd);
    v[j] = _mm512_shuffle_i32x4(lo01, lo23, 0x88);
    v[8 + j] = _mm512_shuffle_i32x4(lo01, lo23, 0xdd);
    v[4 + j] = _mm512_shuffle_i32x4(hi01, hi23, 0x88);
    v[12 + j] = _mm512_shuffle_i32x4(hi01, hi23, 0xdd);
  }
}

// The same for 16 rows of 8 elements, two in a register: v[4i + j] is row 8i + j and behind it row
// 8i + j + 4.
inline void Transpose16x8(__m512i* v) {
  __m512i a[8];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    a[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
    a[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
  }
  // In 128-bit lane c: column 4 * (c % 2) + j of four rows.
  __m512i b[8];
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

// Exp() of 8 floats, operation by operation.
inline __m256 Exp8(__m256 x) {
  const __m256 low = _mm256_max_ps(x, _mm256_set1_ps(-104.0f));
  const __m512d wide = _mm512_cvtps_pd(_mm256_min_ps(low, _mm256_set1_ps(89.0f)));
  const __m512d magic = _mm512_set1_pd(6755399441055744.0);
  const __m512d scaled = _mm512_mul_pd(wide, _mm512_set1_pd(0x1.71547652b82fep+5));
  const __m512d shifted = _mm512_add_pd(scaled, magic);
  const __m512d r = _mm512_sub_pd(scaled, _mm512_sub_pd(shifted, magic));
  const __m512d square = _mm512_mul_pd(r, r);
  const __m512d high = _mm512_add_pd(_mm512_mul_pd(_mm512_set1_pd(0x1.c6af84b9562e4p-20), r),
                                     _mm512_set1_pd(0x1.ebfce51010eadp-13));
  const __m512d line =
      _mm512_add_pd(_mm512_mul_pd(_mm512_set1_pd(0x1.62e42ff0c52dfp-6), r), _mm512_set1_pd(1.0));
  const __m512d factor = _mm512_add_pd(_mm512_mul_pd(high, square), line);
  const __m512i n = _mm512_castpd_si512(shifted);
  const auto* table = reinterpret_cast<const __m512d*>(kExp2Table);
  const __m512d first =
      _mm512_permutex2var_pd(_mm512_loadu_pd(table), n, _mm512_loadu_pd(table + 1));
  const __m512d second =
      _mm512_permutex2var_pd(_mm512_loadu_pd(table + 2), n, _mm512_loadu_pd(table + 3));
  const __mmask8 in_second = _mm512_test_epi64_mask(n, _mm512_set1_epi64(16));
  const __m512i entry = _mm512_castpd_si512(_mm512_mask_blend_pd(in_second, first, second));
  const __m512i power = _mm512_add_epi64(entry, _mm512_slli_epi64(_mm512_srli_epi64(n, 5), 52));
  return _mm512_cvtpd_ps(_mm512_mul_pd(factor, _mm512_castsi512_pd(power)));
}

struct Avx512 {
  using Reg = __m512;   // kLanes floats
  using Int = __m512i;  // as many integers
  static constexpr size_t kLanes = 16;

  // Tiles of the kernels, as many as the 32 registers hold.
  static constexpr size_t kFloatRows = 4;
  static constexpr size_t kFloatTokens = 6;
  static constexpr size_t kFloatRowsOfOne = 8;  // for a single token
  static constexpr size_t kTokensAtOnce = 1;    // that meet an int8 tile
  static constexpr size_t kScoreHeads = 8;
  static constexpr size_t kScoreRegs = 2;
  static constexpr size_t kMixHeads = 4;
  static constexpr size_t kMixChunks = 4;

  static Reg Set1(float x) { return _mm512_set1_ps(x); }
  static Reg Load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg LoadBytes(const uint8_t* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, Reg x) { _mm512_storeu_ps(p, x); }
  // The first n < kLanes elements, without touching what follows; the other lanes are 0.
  static Reg LoadFirst(const float* p, size_t n) { return _mm512_maskz_loadu_ps(FirstLanes(n), p); }
  static void StoreFirst(float* p, Reg x, size_t n) { _mm512_mask_storeu_ps(p, FirstLanes(n), x); }
  // Elements i .. i + kLanes - 1 of a KV cache's, or n < kLanes of them.
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
  // base[index[lane]]
  static Reg Gather(const uint8_t* base, const int32_t* index) {
    return _mm512_i32gather_ps(_mm512_loadu_si512(index), base, 4);
  }

  static Reg Add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg Sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg Mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg Div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static Reg Fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  // The same for the first n <= kLanes elements of a and b; the other lanes of c stay.
  static Reg FmaFirst(const uint8_t* a, const float* b, Reg c, size_t n) {
    const __mmask16 mask = FirstLanes(n);
    return _mm512_mask3_fmadd_ps(_mm512_maskz_loadu_ps(mask, a), _mm512_maskz_loadu_ps(mask, b), c,
                                 mask);
  }
  static Reg Negate(Reg a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
  static Reg Abs(Reg a) { return _mm512_abs_ps(a); }
  static Reg Max(Reg a, Reg b) { return _mm512_max_ps(a, b); }  // a > b ? a : b
  static Reg Min(Reg a, Reg b) { return _mm512_min_ps(a, b); }  // a < b ? a : b
  static float ReduceMax(Reg a) { return _mm512_reduce_max_ps(a); }
  static Reg Exp(Reg x) {
    const __m256 low = Exp8(_mm512_castps512_ps256(x));
    const __m256 high = Exp8(_mm512_extractf32x8_ps(x, 1));
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
  }
  // Lane r: the sum of v[r].
  static Reg Join(const Reg (&v)[kLanes][1]) { return ReduceRows(v); }

  static Int SetInt(int32_t x) { return _mm512_set1_epi32(x); }
  static Int AddInt(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static int32_t ReduceAddInt(Int a) { return _mm512_reduce_add_epi32(a); }
  static Reg ToFloat(Int a) { return _mm512_cvtepi32_ps(a); }
  // To the nearest integer, ties away from 0, for |x| <= 127.
  static Int RoundAway(Reg x) {
    const Int whole = _mm512_cvttps_epi32(x);
    const Reg rest = _mm512_sub_ps(x, _mm512_cvtepi32_ps(whole));
    const Int one = _mm512_set1_epi32(1);
    const __mmask16 up = _mm512_cmp_ps_mask(rest, _mm512_set1_ps(0.5f), _CMP_GE_OQ);
    const __mmask16 down = _mm512_cmp_ps_mask(rest, _mm512_set1_ps(-0.5f), _CMP_LE_OQ);
    return _mm512_mask_sub_epi32(_mm512_mask_add_epi32(whole, up, whole, one), down, whole, one);
  }
  static void StoreInt8(int8_t* p, Int x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
  }

  // An int8 tile: 4 * kSteps columns of kLanes rows.
  template <size_t kSteps>
  struct Tile {
    // Flips the sign bits: the instruction takes unsigned weights, and the offsets undo it.
    void Load(const uint8_t* const* rows, size_t offset) {
      Int v[16];
      if constexpr (kSteps == 8) {
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; ++i) {
          const size_t row = i < 4 ? i : i + 4;
          v[i] = _mm512_inserti64x4(_mm512_castsi256_si512(Load32(rows[row] + offset)),
                                    Load32(rows[row + 4] + offset), 1);
        }
        Transpose16x8(v);
      } else {
#pragma GCC unroll 16
        for (size_t r = 0; r < 16; ++r) {
          v[r] = kSteps == 16 ? _mm512_loadu_si512(rows[r] + offset)
                              : _mm512_maskz_loadu_epi32(FirstLanes(kSteps), rows[r] + offset);
        }
        Transpose16(v);
      }
      const Int sign = _mm512_set1_epi8(static_cast<char>(0x80));
#pragma GCC unroll 16
      for (size_t s = 0; s < kSteps; ++s) steps[s] = _mm512_xor_si512(v[s], sign);
    }

    static __m256i Load32(const uint8_t* p) {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }

    Int steps[kSteps];
  };

  // What a group's sum starts from.
  static Int StartSum(int32_t offset) { return _mm512_set1_epi32(offset); }

  // sums[t] += tile . the kTokens tokens at q, stride bytes from one to the next.
  template <size_t kSteps, size_t kTokens>
  static void Dot(Int* sums, const Tile<kSteps>& tile, const int8_t* q, size_t /*stride*/) {
    static_assert(kTokens == 1);
    // Two chains, so that one token's sums do not wait for each other.
    Int odd = _mm512_setzero_si512();
#pragma GCC unroll 16
    for (size_t s = 0; s < kSteps; s += 2) {
      sums[0] = _mm512_dpbusd_epi32(sums[0], tile.steps[s], Broadcast4(q + 4 * s));
      if (s + 1 < kSteps)
        odd = _mm512_dpbusd_epi32(odd, tile.steps[s + 1], Broadcast4(q + 4 * s + 4));
    }
    sums[0] = _mm512_add_epi32(sums[0], odd);
  }

 private:
  static Int Broadcast4(const int8_t* p) {
    int32_t four = 0;
    __builtin_memcpy(&four, p, sizeof(four));
    return _mm512_set1_epi32(four);
  }
};

}  // namespace

const Kernels kAvx512Kernels = {
    "avx512",
    vector::MatmulF32<Avx512>,
    vector::MatmulQ80<Avx512>,
    vector::Quantize<Avx512>,
    portable::RmsNorm,
    portable::Rope,
    vector::Attention<Avx512>,
    vector::SwiGlu<Avx512>,
    portable::Add,
    vector::Softmax<Avx512>,
};

}  // namespace clamma
