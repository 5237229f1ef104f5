// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX-512 (F, BW, DQ, VL) and VNNI.
#include <immintrin.h>

#include "kernels/portable.h"

namespace clamma {
namespace {

constexpr size_t kLanes = 16;

// The first n of 16 lanes.
inline __mmask16 FirstLanes(size_t n) {
  return static_cast<__mmask16>(n >= kLanes ? 0xffff : (1u << n) - 1);
}

// --- Float matrices ---

// Joins 16 vectors of partial sums, each by the tree of Reduce16(): lane r of the result is the sum
// of v[r].
inline __m512 ReduceRows(const __m512* v) {
  __m512 eight[8];  // lanes 0-7: v[2i], 8-15: v[2i + 1], each with s[j] + s[j + 8]
  for (size_t i = 0; i < 8; ++i) {
    eight[i] = _mm512_add_ps(_mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0x44),
                             _mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0xee));
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

// sums[r][t] += w rows times x rows, over all columns. kRows * kTokens accumulators stay in
// registers.
template <size_t kRows, size_t kTokens>
inline void DotTile(__m512 (*sums)[kTokens], const uint8_t* w, const float* x, size_t cols) {
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t t = 0; t < kTokens; ++t) sums[r][t] = _mm512_setzero_ps();
  }
  size_t k = 0;
  for (; k + kLanes <= cols; k += kLanes) {
    __m512 xs[kTokens];
#pragma GCC unroll 8
    for (size_t t = 0; t < kTokens; ++t) xs[t] = _mm512_loadu_ps(x + t * cols + k);
#pragma GCC unroll 8
    for (size_t r = 0; r < kRows; ++r) {
      const __m512 ws = _mm512_loadu_ps(w + 4 * (r * cols + k));
#pragma GCC unroll 8
      for (size_t t = 0; t < kTokens; ++t) sums[r][t] = _mm512_fmadd_ps(ws, xs[t], sums[r][t]);
    }
  }
  if (k == cols) return;
  const __mmask16 rest = FirstLanes(cols - k);
  for (size_t t = 0; t < kTokens; ++t) {
    const __m512 xs = _mm512_maskz_loadu_ps(rest, x + t * cols + k);
    for (size_t r = 0; r < kRows; ++r) {
      const __m512 ws = _mm512_maskz_loadu_ps(rest, w + 4 * (r * cols + k));
      sums[r][t] = _mm512_mask3_fmadd_ps(ws, xs, sums[r][t], rest);
    }
  }
}

// 16 rows (fewer at the matrix's end) for kTokens tokens.
template <size_t kTokens>
inline void MatmulF32Block(float* out, size_t out_stride, const float* x, const uint8_t* w,
                           size_t cols, size_t rows) {
  constexpr size_t kRows = kTokens == 1 ? 8 : 4;
  __m512 sums[kTokens][kRowBlock];
  for (size_t r = 0; r < kRowBlock; r += kRows) {
    __m512 tile[kRows][kTokens];
    if (r + kRows <= rows) {
      DotTile<kRows, kTokens>(tile, w + 4 * r * cols, x, cols);
    } else {
      for (size_t i = 0; i < kRows; ++i) {
        if (r + i < rows) {
          DotTile<1, kTokens>(&tile[i], w + 4 * (r + i) * cols, x, cols);
        } else {
          for (size_t t = 0; t < kTokens; ++t) tile[i][t] = _mm512_setzero_ps();
        }
      }
    }
    for (size_t i = 0; i < kRows; ++i) {
      for (size_t t = 0; t < kTokens; ++t) sums[t][r + i] = tile[i][t];
    }
  }
  for (size_t t = 0; t < kTokens; ++t) {
    _mm512_mask_storeu_ps(out + t * out_stride, FirstLanes(rows), ReduceRows(sums[t]));
  }
}

void MatmulF32(float* out, size_t out_stride, const float* x, size_t n_tokens, const Matrix& w,
               size_t row_begin, size_t row_end) {
  const size_t cols = w.cols;
  for (size_t row = row_begin; row < row_end; row += kRowBlock) {
    const uint8_t* block = w.data + 4 * row * cols;
    const size_t rows = row_end - row;
    size_t t = 0;
    for (; t + 6 <= n_tokens; t += 6) {
      MatmulF32Block<6>(out + t * out_stride + row, out_stride, x + t * cols, block, cols, rows);
    }
    for (; t + 2 <= n_tokens; t += 2) {
      MatmulF32Block<2>(out + t * out_stride + row, out_stride, x + t * cols, block, cols, rows);
    }
    if (t < n_tokens) {
      MatmulF32Block<1>(out + t * out_stride + row, out_stride, x + t * cols, block, cols, rows);
    }
  }
}

// --- int8 matrices ---
//
// 16 rows times one group of columns make a tile of 16 registers (for groups of 64 columns; fewer
// for smaller ones): register s holds columns 4s .. 4s + 3 of every row, a row a lane, with the
// sign bit flipped, so that vpdpbusd multiplies it as unsigned numbers by a token's four signed
// ones, which stand in every lane. All tokens meet the tile while it is in registers; nothing is
// packed in memory.

constexpr size_t kMostTokens = 64;  // of one pass: their sums stay in the first-level cache

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

// The rows of a tile, 4 * kSteps bytes each, as kSteps registers.
template <size_t kSteps>
inline void LoadTile(__m512i* tile, const uint8_t* const* rows, size_t offset) {
  __m512i v[16];
  const __mmask16 mask = FirstLanes(kSteps);
#pragma GCC unroll 16
  for (size_t r = 0; r < 16; ++r) {
    v[r] = kSteps == 16 ? _mm512_loadu_si512(rows[r] + offset)
                        : _mm512_maskz_loadu_epi32(mask, rows[r] + offset);
  }
  Transpose16(v);
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
#pragma GCC unroll 16
  for (size_t s = 0; s < kSteps; ++s) tile[s] = _mm512_xor_si512(v[s], sign);
}

inline __m512i Broadcast4(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof(four));
  return _mm512_set1_epi32(four);
}

// acc[t] += (float(tile . q[t]) * weight_scales) * scales[t] for each token.
template <size_t kSteps>
inline void MultiplyTile(__m512* acc, const __m512i* tile, __m512 weight_scales, const int8_t* q,
                         const float* scales, const int32_t* offsets, size_t n_tokens) {
  for (size_t t = 0; t < n_tokens; ++t) {
    const int8_t* four = q + t * 4 * kSteps;
    // Two chains, so that one token's sums do not wait for each other.
    __m512i even = _mm512_set1_epi32(offsets[t]);
    __m512i odd = _mm512_setzero_si512();
#pragma GCC unroll 16
    for (size_t s = 0; s < kSteps; s += 2) {
      even = _mm512_dpbusd_epi32(even, tile[s], Broadcast4(four + 4 * s));
      if (s + 1 < kSteps) {
        odd = _mm512_dpbusd_epi32(odd, tile[s + 1], Broadcast4(four + 4 * s + 4));
      }
    }
    const __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(even, odd));
    acc[t] = _mm512_add_ps(
        acc[t], _mm512_mul_ps(_mm512_mul_ps(sum, weight_scales), _mm512_set1_ps(scales[t])));
  }
}

template <size_t kSteps>
void MatmulQ80Groups(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                     size_t row_begin, size_t row_end) {
  constexpr size_t kGroup = 4 * kSteps;
  constexpr size_t kAhead = 512;  // bytes of each row to have on the way
  const size_t cols = w.cols;
  const size_t groups = cols / kGroup;
  const __m512i scale_index =
      _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                         _mm512_set1_epi32(static_cast<int>(groups)));
  for (size_t row = row_begin; row < row_end; row += kRowBlock) {
    const size_t n_rows = row_end - row < kRowBlock ? row_end - row : kRowBlock;
    const __mmask16 present = FirstLanes(n_rows);
    const uint8_t* rows[16];
    for (size_t r = 0; r < 16; ++r) rows[r] = w.data + (row + (r < n_rows ? r : 0)) * cols;
    const uint8_t* weight_scales = w.scales + 4 * row * groups;
    for (size_t first = 0; first < x.n_tokens; first += kMostTokens) {
      const size_t left = x.n_tokens - first;
      const size_t n = left < kMostTokens ? left : kMostTokens;
      __m512 acc[kMostTokens];
      for (size_t t = 0; t < n; ++t) acc[t] = _mm512_setzero_ps();
      for (size_t g = 0; g < groups; ++g) {
        __m512i tile[kSteps];
        LoadTile<kSteps>(tile, rows, g * kGroup);
        if constexpr (kSteps == 16) {
          // Beyond a row's end its successor in the next block follows.
          const size_t ahead = g * kGroup + kAhead;
          const size_t jump = ahead < cols ? ahead : ahead + (kRowBlock - 1) * cols;
          for (size_t r = 0; r < 16; ++r) _mm_prefetch(rows[r] + jump, _MM_HINT_T0);
        }
        const __m512 scales = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), present, scale_index,
                                                       weight_scales + 4 * g, 4);
        const size_t at = g * x.n_tokens + first;
        MultiplyTile<kSteps>(acc, tile, scales, x.q + at * kGroup, x.scales + at, x.offsets + at,
                             n);
      }
      for (size_t t = 0; t < n; ++t) {
        _mm512_mask_storeu_ps(out + (first + t) * out_stride + row, present, acc[t]);
      }
    }
  }
}

void MatmulQ80(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
               size_t row_begin, size_t row_end) {
  // Groups that straddle rows, and sizes nobody uses, take the portable way.
  const size_t group = x.group == w.group_size ? x.group : 0;
  switch (group) {
    case 4:
      return MatmulQ80Groups<1>(out, out_stride, x, w, row_begin, row_end);
    case 8:
      return MatmulQ80Groups<2>(out, out_stride, x, w, row_begin, row_end);
    case 16:
      return MatmulQ80Groups<4>(out, out_stride, x, w, row_begin, row_end);
    case 32:
      return MatmulQ80Groups<8>(out, out_stride, x, w, row_begin, row_end);
    case 64:
      return MatmulQ80Groups<16>(out, out_stride, x, w, row_begin, row_end);
    default:
      return portable::MatmulQ80(out, out_stride, x, w, row_begin, row_end);
  }
}

// --- Activations ---

// Largest magnitude of a group; what is no number does not count.
inline float LargestMagnitude(const float* x, size_t n) {
  __m512 largest = _mm512_setzero_ps();
  for (size_t k = 0; k < n; k += kLanes) {
    largest = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(x + k)), largest);
  }
  return _mm512_reduce_max_ps(largest);
}

// x / scale, rounded to nearest, ties away from 0.
inline __m512i RoundScaled(__m512 x, __m512 scale, __mmask16 usable) {
  __m512 value = _mm512_maskz_div_ps(usable, x, scale);
  value = _mm512_max_ps(value, _mm512_set1_ps(-127.0f));
  value = _mm512_min_ps(value, _mm512_set1_ps(127.0f));
  const __m512i whole = _mm512_cvttps_epi32(value);
  const __m512 rest = _mm512_sub_ps(value, _mm512_cvtepi32_ps(whole));
  const __m512i one = _mm512_set1_epi32(1);
  const __mmask16 up = _mm512_cmp_ps_mask(rest, _mm512_set1_ps(0.5f), _CMP_GE_OQ);
  const __mmask16 down = _mm512_cmp_ps_mask(rest, _mm512_set1_ps(-0.5f), _CMP_LE_OQ);
  return _mm512_mask_sub_epi32(_mm512_mask_add_epi32(whole, up, whole, one), down, whole, one);
}

void Quantize(const QuantizedRows& out, const float* x, size_t t_begin, size_t t_end) {
  if (out.group % kLanes != 0) return portable::Quantize(out, x, t_begin, t_end);
  for (size_t t = t_begin; t < t_end; ++t) {
    for (size_t g = 0; g < out.cols / out.group; ++g) {
      const float* in = x + t * out.cols + g * out.group;
      const size_t at = g * out.n_tokens + t;
      const float scale = LargestMagnitude(in, out.group) / 127.0f;
      const auto usable = static_cast<__mmask16>(scale > 0 ? 0xffff : 0);
      __m512i sums = _mm512_setzero_si512();
      for (size_t k = 0; k < out.group; k += kLanes) {
        const __m512i q = RoundScaled(_mm512_loadu_ps(in + k), _mm512_set1_ps(scale), usable);
        sums = _mm512_add_epi32(sums, q);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out.q + at * out.group + k),
                         _mm512_cvtepi32_epi8(q));
      }
      out.scales[at] = scale;
      out.offsets[at] = -128 * _mm512_reduce_add_epi32(sums);
    }
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
  const __m512d* table = reinterpret_cast<const __m512d*>(kExp2Table);
  const __m512d first =
      _mm512_permutex2var_pd(_mm512_loadu_pd(table), n, _mm512_loadu_pd(table + 1));
  const __m512d second =
      _mm512_permutex2var_pd(_mm512_loadu_pd(table + 2), n, _mm512_loadu_pd(table + 3));
  const __mmask8 in_second = _mm512_test_epi64_mask(n, _mm512_set1_epi64(16));
  const __m512i entry = _mm512_castpd_si512(_mm512_mask_blend_pd(in_second, first, second));
  const __m512i power = _mm512_add_epi64(entry, _mm512_slli_epi64(_mm512_srli_epi64(n, 5), 52));
  return _mm512_cvtpd_ps(_mm512_mul_pd(factor, _mm512_castsi512_pd(power)));
}

inline __m512 Exp16(__m512 x) {
  const __m256 low = Exp8(_mm512_castps512_ps256(x));
  const __m256 high = Exp8(_mm512_extractf32x8_ps(x, 1));
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

void SwiGlu(float* gate, const float* up, size_t n) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512 sign = _mm512_set1_ps(-0.0f);
  for (size_t i = 0; i < n; i += kLanes) {
    const __mmask16 mask = FirstLanes(n - i);
    const __m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
    const __m512 sigmoid = _mm512_div_ps(one, _mm512_add_ps(one, Exp16(_mm512_xor_ps(g, sign))));
    const __m512 value =
        _mm512_mul_ps(_mm512_mul_ps(g, sigmoid), _mm512_maskz_loadu_ps(mask, up + i));
    _mm512_mask_storeu_ps(gate + i, mask, value);
  }
}

// Softmax of kRows rows of n. The sums run in order of the index, and several rows' side by side.
template <size_t kRows>
inline void SoftmaxRows(float* x, size_t stride, size_t n) {
  for (size_t row = 0; row < kRows; ++row) {
    float* in = x + row * stride;
    const __m512 none = _mm512_set1_ps(-__builtin_inff());
    __m512 largest = none;
    for (size_t i = 0; i < n; i += kLanes) {
      largest = _mm512_max_ps(_mm512_mask_loadu_ps(none, FirstLanes(n - i), in + i), largest);
    }
    const __m512 top = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    for (size_t i = 0; i < n; i += kLanes) {
      const __mmask16 mask = FirstLanes(n - i);
      const __m512 e = Exp16(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, in + i), top));
      _mm512_mask_storeu_ps(in + i, mask, e);
    }
  }
  float sums[kRows] = {};
  for (size_t i = 0; i < n; ++i) {
#pragma GCC unroll 8
    for (size_t row = 0; row < kRows; ++row) sums[row] += x[row * stride + i];
  }
  for (size_t row = 0; row < kRows; ++row) {
    float* in = x + row * stride;
    for (size_t i = 0; i < n; i += kLanes) {
      const __mmask16 mask = FirstLanes(n - i);
      const __m512 e = _mm512_maskz_loadu_ps(mask, in + i);
      _mm512_mask_storeu_ps(in + i, mask, _mm512_div_ps(e, _mm512_set1_ps(sums[row])));
    }
  }
}

void Softmax(float* x, size_t n) { SoftmaxRows<1>(x, 0, n); }

// Runs f<n>() for a number n in 1 .. 8 known at run time.
template <typename F>
inline void WithCount(size_t n, const F& f) {
  switch (n) {
    case 1:
      return f.template operator()<1>();
    case 2:
      return f.template operator()<2>();
    case 3:
      return f.template operator()<3>();
    case 4:
      return f.template operator()<4>();
    case 5:
      return f.template operator()<5>();
    case 6:
      return f.template operator()<6>();
    case 7:
      return f.template operator()<7>();
    default:
      return f.template operator()<8>();
  }
}

template <bool kHalf>
inline __m512 LoadKv16(const uint8_t* p, size_t i, __mmask16 mask) {
  if constexpr (kHalf) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p + 2 * i));
  } else {
    return _mm512_maskz_loadu_ps(mask, p + 4 * i);
  }
}

// scores[h][position] = q[h] . key / root, for kHeads query heads of one kv head.
template <bool kHalf, size_t kHeads>
inline void ScoreHeads(float* scores, size_t stride, const float* q, const AttentionInput& in,
                       size_t key_offset) {
  const size_t head_size = in.head_size;
  const __m512 root = _mm512_set1_ps(__builtin_sqrtf(static_cast<float>(head_size)));
  for (size_t first = 0; first < in.n_positions; first += kKvBlock) {
    const uint8_t* keys = in.blocks[first / kKvBlock] + key_offset;
    __m512 low[kHeads];
    __m512 high[kHeads];
    for (size_t h = 0; h < kHeads; ++h) low[h] = high[h] = _mm512_setzero_ps();
    for (size_t d = 0; d < head_size; ++d) {
      const __m512 k0 = LoadKv16<kHalf>(keys, d * kKvBlock, 0xffff);
      const __m512 k1 = LoadKv16<kHalf>(keys, d * kKvBlock + 16, 0xffff);
#pragma GCC unroll 8
      for (size_t h = 0; h < kHeads; ++h) {
        const __m512 element = _mm512_set1_ps(q[h * head_size + d]);
        low[h] = _mm512_add_ps(low[h], _mm512_mul_ps(element, k0));
        high[h] = _mm512_add_ps(high[h], _mm512_mul_ps(element, k1));
      }
    }
    for (size_t h = 0; h < kHeads; ++h) {
      _mm512_storeu_ps(scores + h * stride + first, _mm512_div_ps(low[h], root));
      _mm512_storeu_ps(scores + h * stride + first + 16, _mm512_div_ps(high[h], root));
    }
  }
}

// out[h][d .. d + 16 * kChunks) = sum over positions of scores[h][position] * value.
template <bool kHalf, size_t kHeads, size_t kChunks>
inline void MixHeads(float* out, const float* scores, size_t stride, const AttentionInput& in,
                     size_t value_offset, size_t d) {
  const size_t head_size = in.head_size;
  const __mmask16 last = FirstLanes(head_size - d - 16 * (kChunks - 1));
  __m512 sums[kHeads][kChunks];
  for (size_t h = 0; h < kHeads; ++h) {
    for (size_t c = 0; c < kChunks; ++c) sums[h][c] = _mm512_setzero_ps();
  }
  for (size_t first = 0; first < in.n_positions; first += kKvBlock) {
    const uint8_t* values = in.blocks[first / kKvBlock] + value_offset;
    const size_t left = in.n_positions - first;
    const size_t n = left < kKvBlock ? left : kKvBlock;
    for (size_t i = 0; i < n; ++i) {
      __m512 v[kChunks];
#pragma GCC unroll 4
      for (size_t c = 0; c < kChunks; ++c) {
        v[c] = LoadKv16<kHalf>(values, i * head_size + d + 16 * c,
                               c + 1 == kChunks ? last : static_cast<__mmask16>(0xffff));
      }
#pragma GCC unroll 4
      for (size_t h = 0; h < kHeads; ++h) {
        const __m512 weight = _mm512_set1_ps(scores[h * stride + first + i]);
#pragma GCC unroll 4
        for (size_t c = 0; c < kChunks; ++c) {
          sums[h][c] = _mm512_add_ps(sums[h][c], _mm512_mul_ps(weight, v[c]));
        }
      }
    }
  }
  for (size_t h = 0; h < kHeads; ++h) {
    for (size_t c = 0; c < kChunks; ++c) {
      _mm512_mask_storeu_ps(out + h * head_size + d + 16 * c,
                            c + 1 == kChunks ? last : static_cast<__mmask16>(0xffff), sums[h][c]);
    }
  }
}

template <bool kHalf>
inline void MixRun(float* out, const float* scores, size_t stride, const AttentionInput& in,
                   size_t value_offset, size_t n_heads) {
  for (size_t h = 0; h < n_heads; h += 4) {
    const size_t heads = n_heads - h < 4 ? n_heads - h : 4;
    for (size_t d = 0; d < in.head_size; d += 64) {
      const size_t chunks = (in.head_size - d + 15) / 16;
      WithCount(heads, [&]<size_t kHeads>() {
        if constexpr (kHeads <= 4) {
          WithCount(chunks < 4 ? chunks : 4, [&]<size_t kChunks>() {
            if constexpr (kChunks <= 4) {
              MixHeads<kHalf, kHeads, kChunks>(out + h * in.head_size, scores + h * stride, stride,
                                               in, value_offset, d);
            }
          });
        }
      });
    }
  }
}

// Calls body(first head, number of heads) for the runs of heads in [begin, end) that share a kv
// head.
template <typename Body>
inline void ForEachRun(size_t begin, size_t end, size_t heads_per_kv_head, const Body& body) {
  for (size_t head = begin; head < end;) {
    const size_t next = (head / heads_per_kv_head + 1) * heads_per_kv_head;
    const size_t stop = next < end ? next : end;
    body(head, stop - head);
    head = stop;
  }
}

template <bool kHalf>
void AttentionOf(float* out, float* scores, size_t stride, const AttentionInput& in, size_t begin,
                 size_t end) {
  const size_t heads_per_kv_head = in.heads_per_kv_head;
  for (size_t head = begin; head < end; head += kHeadTile) {
    const size_t stop = head + kHeadTile < end ? head + kHeadTile : end;
    ForEachRun(head, stop, heads_per_kv_head, [&](size_t h, size_t n) {
      WithCount(n, [&]<size_t kHeads>() {
        ScoreHeads<kHalf, kHeads>(scores + (h - head) * stride, stride, in.q + h * in.head_size, in,
                                  in.key_offset + h / heads_per_kv_head * in.head_bytes);
      });
    });
    WithCount(stop - head,
              [&]<size_t kRows>() { SoftmaxRows<kRows>(scores, stride, in.n_positions); });
    ForEachRun(head, stop, heads_per_kv_head, [&](size_t h, size_t n) {
      MixRun<kHalf>(out + h * in.head_size, scores + (h - head) * stride, stride, in,
                    in.value_offset + h / heads_per_kv_head * in.head_bytes, n);
    });
  }
}

void Attention(float* out, float* scores, size_t stride, const AttentionInput& in, size_t kv_begin,
               size_t kv_end) {
  const size_t begin = kv_begin * in.heads_per_kv_head;
  const size_t end = kv_end * in.heads_per_kv_head;
  if (in.half) {
    AttentionOf<true>(out, scores, stride, in, begin, end);
  } else {
    AttentionOf<false>(out, scores, stride, in, begin, end);
  }
}

}  // namespace

const Kernels kAvx512Kernels = {
    "avx512",       MatmulF32, MatmulQ80, Quantize,      portable::RmsNorm,
    portable::Rope, Attention, SwiGlu,    portable::Add, Softmax,
};

}  // namespace clamma
