// SPDX-License-Identifier: MIT
// Multiplies float matrices by activations, for any vector unit V (units/unit.h).
#ifndef CLAMMA_KERNELS_SKELETONS_MATMUL_F32_H_
#define CLAMMA_KERNELS_SKELETONS_MATMUL_F32_H_

#include "kernels/skeletons/panels_f32.h"
#include "kernels/skeletons/vector.h"

namespace clamma {
namespace {
namespace vector {

constexpr size_t kShortRow = 1024;  // in bytes: up to this length, rows are not prefetched

// The distance in bytes from byte `at` of a row to the byte to prefetch, where n_rows rows are read
// together. Beyond the row's end this lies in the next n_rows rows.
template <const Tuning& kTuning>
inline size_t JumpAhead(size_t at, size_t row_bytes, size_t n_rows) {
  constexpr size_t kAhead = kTuning.float_prefetch;
  if (n_rows == 1) return 4 * kAhead;
  if (row_bytes <= kShortRow) return 4 * kAhead;
  return kAhead + (at + kAhead < row_bytes ? 0 : (n_rows - 1) * row_bytes);
}

// Adds the products of the last columns, from k on, of which there are fewer than 16.
template <Unit V, size_t kRows, size_t kTokens>
inline void AddLastColumns(typename V::Reg (&sums)[kRows][kTokens][kParts<V>], const uint8_t* w,
                           size_t row_stride, const float* x, size_t cols, size_t k) {
#pragma GCC unroll 4
  for (size_t p = 0; p < kParts<V>; ++p) {
    const size_t at = k + p * V::kLanes;
    if (at >= cols) return;
    const size_t n = Min(cols - at, V::kLanes);
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t r = 0; r < kRows; ++r) {
        sums[r][t][p] =
            V::FmaFirst(w + r * row_stride + 4 * at, x + t * cols + at, sums[r][t][p], n);
      }
    }
  }
}

// Activations for rows of weights that are read by whole cache lines, where each row begins `skew`
// elements after the beginning of a line. (A load that straddles two lines costs as much as two.)
// Element k goes to lane (k + skew) % 16 instead of k % 16. Join() gives the same result, as it
// adds the same pairs. A row must take at least two lines.
template <Unit V>
struct SkewedVector {
  using Reg = typename V::Reg;

  SkewedVector() = default;
  SkewedVector(const float* x, size_t n, size_t skew)
      : lines(x - skew),
        last((skew + n - 1) / 16 * 16),
        first_lanes(static_cast<uint16_t>(0xffff << skew)),
        last_lanes(static_cast<uint16_t>(0xffff >> (last + 16 - skew - n))),
        of_first(V::LoadLanes(lines, first_lanes)),
        of_last(V::LoadLanes(lines + last, last_lanes)) {}

  const float* lines;  // x, moved to the beginning of the first line
  size_t last;         // the element of `lines` at which the last line begins
  uint16_t first_lanes;
  uint16_t last_lanes;
  Reg of_first;
  Reg of_last;
};

// sums = kRows rows of w times x; the rows are kApart rows from each other. With kPrefetch, lines
// ahead are prefetched, which rows longer than kShortRow need.
template <Unit V, const Tuning& kTuning, size_t kRows, size_t kApart, bool kPrefetch>
[[gnu::always_inline]] inline void DotSkewedRows(typename V::Reg (&sums)[kRows], const uint8_t* w,
                                                 size_t cols, const SkewedVector<V>& x) {
  using Reg = typename V::Reg;
  const uint8_t* line = w - reinterpret_cast<uintptr_t>(w) % kLine;
  const auto add = [&](size_t at, const auto& fma) {
    const uint8_t* row = line + 4 * at;
    [[maybe_unused]] const size_t jump = JumpAhead<kTuning>(4 * at, 4 * cols, kRows);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      if constexpr (kPrefetch) PrefetchLine(row + jump);
      sums[r] = fma(row, sums[r]);
      row += 4 * cols * kApart;
      asm("" : "+r"(row));  // one address, not a register for each row
    }
  };
#pragma GCC unroll 16
  for (Reg& sum : sums) sum = V::Set1(0);
  add(0, [&](auto row, Reg sum) { return V::FmaLanes(row, x.of_first, sum, x.first_lanes); });
  for (size_t at = 16; at < x.last; at += 16) {
    const Reg xs = V::Load(x.lines + at);
    add(at, [&](auto row, Reg sum) { return V::Fma(V::LoadBytes(row), xs, sum); });
  }
  add(x.last, [&](auto row, Reg sum) { return V::FmaLanes(row, x.of_last, sum, x.last_lanes); });
}

// sums = kRows rows of w, row_stride bytes apart, times kTokens rows of x. All sums are held in
// registers. With kPrefetch, lines ahead are prefetched, for rows that are adjacent.
template <Unit V, const Tuning& kTuning, size_t kRows, size_t kTokens,
          bool kPrefetch = kTokens == 1>
inline void DotTile(typename V::Reg (&sums)[kRows][kTokens][kParts<V>], const uint8_t* w,
                    size_t row_stride, const float* x, size_t cols) {
  using Reg = typename V::Reg;
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 4
      for (size_t p = 0; p < kParts<V>; ++p) sums[r][t][p] = V::Set1(0);
    }
  }
  size_t k = 0;
  for (; k + 16 <= cols; k += 16) {
#pragma GCC unroll 4
    for (size_t p = 0; p < kParts<V>; ++p) {
      const size_t at = k + p * V::kLanes;
      Reg xs[kTokens];
#pragma GCC unroll 16
      for (size_t t = 0; t < kTokens; ++t) xs[t] = V::Load(x + t * cols + at);
      const uint8_t* row = w + 4 * at;
      [[maybe_unused]] const size_t jump = JumpAhead<kTuning>(4 * at, 4 * cols, kRows);
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
        if constexpr (kPrefetch) PrefetchLine(row + jump);
        const Reg ws = V::LoadBytes(row);
        row += row_stride;
        asm("" : "+r"(row));  // one address, not a register for each row
#pragma GCC unroll 16
        for (size_t t = 0; t < kTokens; ++t) sums[r][t][p] = V::Fma(ws, xs[t], sums[r][t][p]);
      }
    }
  }
  if (k < cols) AddLastColumns<V>(sums, w, row_stride, x, cols, k);
}

// Multiplies one row per lane (fewer at the matrix's end) by kTokens tokens.
template <Unit V, const Tuning& kTuning, size_t kRows, size_t kTokens>
inline void MatmulF32Block(float* out, size_t out_stride, const float* x, const uint8_t* w,
                           size_t cols, size_t rows) {
  using Reg = typename V::Reg;
  const size_t stride = 4 * cols;
  Reg sums[kTokens][V::kLanes][kParts<V>];
  for (size_t row = 0; row < V::kLanes; row += kRows) {
    Reg tile[kRows][kTokens][kParts<V>];
    if (row + kRows <= rows) {
      DotTile<V, kTuning, kRows, kTokens>(tile, w + row * stride, stride, x, cols);
    } else {
      // Beyond the end, the last row is used again.
      for (size_t r = 0; r < kRows; ++r) {
        Reg one[1][kTokens][kParts<V>];
        DotTile<V, kTuning, 1, kTokens>(one, w + Min(row + r, rows - 1) * stride, stride, x, cols);
        for (size_t t = 0; t < kTokens; ++t) {
          for (size_t p = 0; p < kParts<V>; ++p) tile[r][t][p] = one[0][t][p];
        }
      }
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (size_t t = 0; t < kTokens; ++t) {
        for (size_t p = 0; p < kParts<V>; ++p) sums[t][row + r][p] = tile[r][t][p];
      }
    }
  }
  for (size_t t = 0; t < kTokens; ++t) {
    const Reg joined = V::Join(sums[t]);
    if (rows >= V::kLanes) {
      V::Store(out + t * out_stride, joined);
    } else {
      V::StoreFirst(out + t * out_stride, joined, rows);
    }
  }
}

// Multiplies rows [row_begin, row_end), 16 or more, by one token, reading whole cache lines. Of 16
// rows, kRows are read side by side. They are kApart rows apart, so that they have the same skew:
// the matrix has no more than kApart different skews.
template <Unit V, const Tuning& kTuning, size_t kRows, size_t kApart, bool kPrefetch>
void MatvecSkewed(float* out, const float* x, const Matrix& w, size_t row_begin, size_t row_end) {
  const size_t cols = w.cols;
  const uint8_t* begin = w.data + 4 * row_begin * cols;
  SkewedVector<V> skewed[kApart];  // [i] is for row row_begin + i and every kApart-th after it
  for (size_t i = 0; i < kApart; ++i) {
    const auto address = reinterpret_cast<uintptr_t>(begin + 4 * i * cols);
    skewed[i] = SkewedVector<V>(x, cols, address % kLine / 4);
  }
  for (size_t next = 0; next < row_end - row_begin; next += 16) {
    const size_t row = Min(next, row_end - row_begin - 16);
    typename V::Reg sums[16][1];
#pragma GCC unroll 16
    for (size_t r = 0; r < 16; r += kRows * kApart) {
#pragma GCC unroll 4
      for (size_t phase = r; phase < r + kApart; ++phase) {
        typename V::Reg some[kRows];
        DotSkewedRows<V, kTuning, kRows, kApart, kPrefetch>(some, begin + 4 * cols * (row + phase),
                                                            cols, skewed[(row + phase) % kApart]);
#pragma GCC unroll 16
        for (size_t i = 0; i < kRows; ++i) sums[phase + i * kApart][0] = some[i];
      }
    }
    V::Store(out + row_begin + row, V::Join(sums));
  }
}

// MatvecSkewed() if the rows can be read by whole lines; otherwise returns false.
template <Unit V, const Tuning& kTuning>
bool MatvecByLines(float* out, const float* x, const Matrix& w, size_t row_begin, size_t row_end) {
  const size_t cols = w.cols;
  const bool at_floats = reinterpret_cast<uintptr_t>(w.data) % 4 == 0;
  if (!at_floats || cols < 32 || row_end - row_begin < 16) return false;
  if (4 * cols > kShortRow) {
    if (cols % 16 != 0) return false;
    MatvecSkewed<V, kTuning, kTuning.rows_in_order ? 1 : 16, 1, true>(out, x, w, row_begin,
                                                                      row_end);
  } else if (cols % 16 == 0) {
    MatvecSkewed<V, kTuning, 16, 1, false>(out, x, w, row_begin, row_end);
  } else if (cols % 4 == 0) {
    MatvecSkewed<V, kTuning, 4, 4, false>(out, x, w, row_begin, row_end);
  } else {
    return false;
  }
  return true;
}

// Multiplies rows [row_begin, row_end) by one token, in kTuning.float_streams parts side by side
// and without prefetches: some processors read memory fastest in this way. Returns the first of the
// remaining rows, fewer than float_streams * V::kLanes, all at the end.
template <Unit V, const Tuning& kTuning>
size_t MatvecInStreams(float* out, const float* x, const Matrix& w, size_t row_begin,
                       size_t row_end) {
  using Reg = typename V::Reg;
  constexpr size_t kStreams = kTuning.float_streams;
  const size_t part = (row_end - row_begin) / (kStreams * V::kLanes) * V::kLanes;
  const size_t stride = size_t{4} * w.cols;
  for (size_t row = row_begin; row < row_begin + part; row += V::kLanes) {
    Reg sums[kStreams][V::kLanes][kParts<V>];
    for (size_t r = 0; r < V::kLanes; ++r) {
      Reg tile[kStreams][1][kParts<V>];
      DotTile<V, kTuning, kStreams, 1, false>(tile, w.data + (row + r) * stride, part * stride, x,
                                              w.cols);
#pragma GCC unroll 4
      for (size_t i = 0; i < kStreams; ++i) {
#pragma GCC unroll 4
        for (size_t p = 0; p < kParts<V>; ++p) sums[i][r][p] = tile[i][0][p];
      }
    }
    for (size_t i = 0; i < kStreams; ++i) V::Store(out + row + i * part, V::Join(sums[i]));
  }
  return row_begin + kStreams * part;
}

// MatmulF32() for any number of tokens, columns and rows, at any alignment.
template <Unit V, const Tuning& kTuning>
void MatmulF32OfAny(float* out, size_t out_stride, const float* x, size_t n_tokens, const Matrix& w,
                    size_t row_begin, size_t row_end) {
  constexpr size_t kTokens = V::kFloatTokens;
  // The bytes of weights that are multiplied by kTokens tokens before the next tokens come: one
  // block of rows if the first-level cache holds it, else what the second-level cache holds.
  constexpr size_t kSmallBlock = size_t{32} << 10;
  constexpr size_t kPassBytes = size_t{512} << 10;
  const size_t cols = w.cols;
  const size_t block_bytes = 4 * cols * V::kLanes;
  const bool single = block_bytes <= kSmallBlock || block_bytes > kPassBytes;
  const size_t pass_rows = (single ? 1 : kPassBytes / block_bytes) * V::kLanes;
  for (size_t pass = row_begin; pass < row_end; pass += pass_rows) {
    const size_t pass_end = Min(pass + pass_rows, row_end);
    for (size_t t = 0; t < n_tokens;) {
      const size_t left = n_tokens - t;
      const size_t tokens = left >= kTokens ? kTokens : left >= 2 ? 2 : 1;
      for (size_t next = pass; next < pass_end; next += V::kLanes) {
        // The last rows are multiplied together with some rows before them, if there are enough.
        const bool few = pass_end - row_begin < V::kLanes;
        const size_t row = few ? next : Min(next, pass_end - V::kLanes);
        const uint8_t* block = w.data + 4 * row * cols;
        float* to = out + t * out_stride + row;
        const float* from = x + t * cols;
        const size_t rows = pass_end - row;
        if (tokens == kTokens) {
          MatmulF32Block<V, kTuning, V::kFloatRows, kTokens>(to, out_stride, from, block, cols,
                                                             rows);
        } else if (tokens == 2) {
          MatmulF32Block<V, kTuning, V::kFloatRows, 2>(to, out_stride, from, block, cols, rows);
        } else {
          MatmulF32Block<V, kTuning, V::kFloatRowsOfOne, 1>(to, out_stride, from, block, cols,
                                                            rows);
        }
      }
      t += tokens;
    }
  }
}

template <Unit V, const Tuning& kTuning>
void MatmulF32(float* out, size_t out_stride, const Activations& activations, const Matrix& w,
               size_t row_begin, size_t row_end) {
  const float* x = activations.x;
  const size_t n_tokens = activations.n_tokens;
  if constexpr (kTuning.float_streams > 1) {
    if (n_tokens == 1) row_begin = MatvecInStreams<V, kTuning>(out, x, w, row_begin, row_end);
  }
  if constexpr (V::kLanes == 16) {
    if (n_tokens == 1 && MatvecByLines<V, kTuning>(out, x, w, row_begin, row_end)) return;
  }
  if constexpr (V::kMinPanelTokens != kNever) {
    if (WantsPanels<V>(n_tokens, row_end - row_begin, w.cols)) {
      MatmulPanels<V, formats::F32>(out, out_stride, x, n_tokens, w, row_begin, row_end);
      return;
    }
  }
  MatmulF32OfAny<V, kTuning>(out, out_stride, x, n_tokens, w, row_begin, row_end);
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_MATMUL_F32_H_
