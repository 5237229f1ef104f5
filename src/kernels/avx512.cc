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

// Joins 16 vectors of partial sums, each by the tree of Reduce16(): lane r of the result is the sum of
// v[r].
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
  const __m512i order =
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_ps(order, one);
}

// sums[r][t] += w rows times x rows, over all columns. kRows * kTokens accumulators stay in registers.
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
// 16 rows times one group of columns make a tile of 16 registers (for groups of 64 columns; fewer for
// smaller ones): register s holds columns 4s .. 4s + 3 of every row, a row a lane, with the sign bit
// flipped, so that vpdpbusd multiplies it as unsigned numbers by a token's four signed ones, which
// stand in every lane. All tokens meet the tile while it is in registers; nothing is packed in memory.

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
    const __m512i lo01 = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88);   // lanes 0, 2 of rows 0-7
    const __m512i hi01 = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xdd);   // lanes 1, 3
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
    acc[t] = _mm512_add_ps(acc[t], _mm512_mul_ps(_mm512_mul_ps(sum, weight_scales),
                                                 _mm512_set1_ps(scales[t])));
  }
}

template <size_t kSteps>
void MatmulQ80Groups(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                     size_t row_begin, size_t row_end) {
  constexpr size_t kGroup = 4 * kSteps;
  constexpr size_t kAhead = 512;  // bytes of each row to have on the way
  const size_t cols = w.cols;
  const size_t groups = cols / kGroup;
  const __m512i scale_index = _mm512_mullo_epi32(
      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
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

}  // namespace

const Kernels kAvx512Kernels = {
    "avx512",          MatmulF32,      MatmulQ80,           portable::Quantize,
    portable::RmsNorm, portable::Rope, portable::Attention, portable::SwiGlu,
    portable::Add,     portable::Softmax,
};

}  // namespace clamma
