// SPDX-License-Identifier: MIT
// Matrices times activations, for any vector unit: V is the struct of an instruction set's file
// that has its registers and instructions (see avx512.cc for the whole of what it must have).
#ifndef CLAMMA_KERNELS_VECTOR_MATMUL_H_
#define CLAMMA_KERNELS_VECTOR_MATMUL_H_

#include "kernels/portable.h"

namespace clamma {
namespace {
namespace vector {

using portable::Least;

// --- Float matrices ---

// Registers of one dot product's 16 partial sums.
template <typename V>
constexpr size_t kParts = 16 / V::kLanes;

// sums = kRows rows of w times kTokens rows of x, all held in registers.
template <typename V, size_t kRows, size_t kTokens>
inline void DotTile(typename V::Reg (&sums)[kRows][kTokens][kParts<V>], const uint8_t* w,
                    const float* x, size_t cols) {
  using Reg = typename V::Reg;
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t p = 0; p < kParts<V>; ++p) sums[r][t][p] = V::Set1(0);
    }
  }
  size_t k = 0;
  for (; k + 16 <= cols; k += 16) {
#pragma GCC unroll 4
    for (size_t p = 0; p < kParts<V>; ++p) {
      const size_t at = k + p * V::kLanes;
      Reg xs[kTokens];
#pragma GCC unroll 8
      for (size_t t = 0; t < kTokens; ++t) xs[t] = V::Load(x + t * cols + at);
#pragma GCC unroll 8
      for (size_t r = 0; r < kRows; ++r) {
        const Reg ws = V::LoadBytes(w + 4 * (r * cols + at));
#pragma GCC unroll 8
        for (size_t t = 0; t < kTokens; ++t) sums[r][t][p] = V::Fma(ws, xs[t], sums[r][t][p]);
      }
    }
  }
#pragma GCC unroll 4
  for (size_t p = 0; p < kParts<V>; ++p) {
    const size_t at = k + p * V::kLanes;
    if (at >= cols) return;
    const size_t n = Least(cols - at, V::kLanes);
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t r = 0; r < kRows; ++r) {
        sums[r][t][p] = V::FmaFirst(w + 4 * (r * cols + at), x + t * cols + at, sums[r][t][p], n);
      }
    }
  }
}

// A row for each lane (fewer at the matrix's end) for kTokens tokens.
template <typename V, size_t kRows, size_t kTokens>
inline void MatmulF32Block(float* out, size_t out_stride, const float* x, const uint8_t* w,
                           size_t cols, size_t rows) {
  using Reg = typename V::Reg;
  Reg sums[kTokens][V::kLanes][kParts<V>];
  for (size_t row = 0; row < V::kLanes; row += kRows) {
    Reg tile[kRows][kTokens][kParts<V>];
    if (row + kRows <= rows) {
      DotTile<V, kRows, kTokens>(tile, w + 4 * row * cols, x, cols);
    } else {
      // Those beyond the end stand for the last row.
      for (size_t r = 0; r < kRows; ++r) {
        Reg one[1][kTokens][kParts<V>];
        DotTile<V, 1, kTokens>(one, w + 4 * Least(row + r, rows - 1) * cols, x, cols);
        for (size_t t = 0; t < kTokens; ++t) {
          for (size_t p = 0; p < kParts<V>; ++p) tile[r][t][p] = one[0][t][p];
        }
      }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
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

template <typename V>
void MatmulF32(float* out, size_t out_stride, const float* x, size_t n_tokens, const Matrix& w,
               size_t row_begin, size_t row_end) {
  constexpr size_t kTokens = V::kFloatTokens;
  // Of the weights that meet a few tokens before the next few come: one block if the first-level
  // cache holds it, else what the second-level one does.
  constexpr size_t kSmallBlock = size_t{32} << 10;
  constexpr size_t kPassBytes = size_t{512} << 10;
  const size_t cols = w.cols;
  const size_t block_bytes = 4 * cols * V::kLanes;
  const bool single = block_bytes <= kSmallBlock || block_bytes > kPassBytes;
  const size_t pass_rows = (single ? 1 : kPassBytes / block_bytes) * V::kLanes;
  for (size_t pass = row_begin; pass < row_end; pass += pass_rows) {
    const size_t pass_end = Least(pass + pass_rows, row_end);
    for (size_t t = 0; t < n_tokens;) {
      const size_t left = n_tokens - t;
      const size_t tokens = left >= kTokens ? kTokens : left >= 2 ? 2 : 1;
      for (size_t row = pass; row < pass_end; row += V::kLanes) {
        const uint8_t* block = w.data + 4 * row * cols;
        float* to = out + t * out_stride + row;
        const float* from = x + t * cols;
        const size_t rows = pass_end - row;
        if (tokens == kTokens) {
          MatmulF32Block<V, V::kFloatRows, kTokens>(to, out_stride, from, block, cols, rows);
        } else if (tokens == 2) {
          MatmulF32Block<V, V::kFloatRows, 2>(to, out_stride, from, block, cols, rows);
        } else {
          MatmulF32Block<V, V::kFloatRowsOfOne, 1>(to, out_stride, from, block, cols, rows);
        }
      }
      t += tokens;
    }
  }
}

// --- int8 matrices ---
//
// As many rows as a register has lanes, times a group of columns (or 64 of them), make a tile of
// registers: register s holds columns 4s .. 4s + 3 of every row, a row a lane, for an instruction
// that multiplies it by a token's four, which stand in every lane. All tokens meet the tile while
// it is at hand; nothing is packed in memory.

constexpr size_t kMostTokens = 64;  // of one pass: their sums stay in the first-level cache

// Where the scales of a block's rows are, group by group.
template <typename V>
struct RowScales {
  // `groups` of the activations make a row, `share` of them one of the weights', which may straddle
  // rows.
  RowScales(const Matrix& w, size_t row, size_t n_rows, size_t groups, size_t group_share)
      : share(group_share) {
    const uint64_t first = uint64_t{row} * groups;
    const bool whole = share == 1;
    base = w.scales + 4 * (whole ? first : first / share);
    // From one row to the next.
    const size_t step = whole ? groups : groups / share;
    const size_t rest = groups - step * share;
    size_t at = 0;
    size_t part = whole ? 0 : first % share;
    for (size_t r = 0; r < V::kLanes; ++r) {
      index[r] = static_cast<int32_t>(at);
      phase[r] = static_cast<uint32_t>(part);
      if (r + 1 >= n_rows) continue;  // those beyond the end stand for the last row
      part += rest;
      at += step + (part >= share ? 1 : 0);
      part -= part >= share ? share : 0;
    }
  }

  // The scales of the group at hand; then the next one is.
  typename V::Reg Next() {
    const typename V::Reg scales = V::Gather(base, index);
    if (share == 1) {
      base += 4;
      return scales;
    }
    for (size_t r = 0; r < V::kLanes; ++r) {
      const bool wraps = ++phase[r] == share;
      phase[r] = wraps ? 0 : phase[r];
      index[r] += wraps ? 1 : 0;
    }
    return scales;
  }

  size_t share;
  const uint8_t* base;
  int32_t index[V::kLanes];
  uint32_t phase[V::kLanes];
};

// One token's group (or part of one): its numbers, and what goes with it.
struct TokenGroups {
  const int8_t* q;         // (n, group)
  const float* scales;     // (n)
  const int32_t* offsets;  // (n)
  size_t group;
};

// acc[t] += (float(sum) * weight_scales) * scales[t] for kTokens tokens from t on, where the tile
// is the last of its group; else the sums are kept.
template <typename V, size_t kSteps, size_t kTokens, bool kFirst, bool kLast>
inline void MultiplyTile(typename V::Reg* acc, typename V::Int* kept,
                         const typename V::template Tile<kSteps>& tile,
                         typename V::Reg weight_scales, const TokenGroups& x, size_t t) {
  typename V::Int sums[kTokens];
#pragma GCC unroll 4
  for (size_t i = 0; i < kTokens; ++i) {
    sums[i] = kFirst ? V::StartSum(x.offsets[t + i]) : kept[t + i];
  }
  const size_t stride = kFirst && kLast ? 4 * kSteps : x.group;
  V::template Dot<kSteps, kTokens>(sums, tile, x.q + t * stride, stride);
#pragma GCC unroll 4
  for (size_t i = 0; i < kTokens; ++i) {
    if constexpr (kLast) {
      const typename V::Reg scaled = V::Mul(V::ToFloat(sums[i]), weight_scales);
      acc[t + i] = V::Add(acc[t + i], V::Mul(scaled, V::Set1(x.scales[t + i])));
    } else {
      kept[t + i] = sums[i];
    }
  }
}

template <typename V, size_t kSteps, bool kFirst, bool kLast>
inline void MultiplyTileByAll(typename V::Reg* acc, typename V::Int* kept,
                              const typename V::template Tile<kSteps>& tile,
                              typename V::Reg weight_scales, const TokenGroups& x, size_t n) {
  size_t t = 0;
  for (; t + V::kTokensAtOnce <= n; t += V::kTokensAtOnce) {
    MultiplyTile<V, kSteps, V::kTokensAtOnce, kFirst, kLast>(acc, kept, tile, weight_scales, x, t);
  }
  for (; t < n; ++t) {
    MultiplyTile<V, kSteps, 1, kFirst, kLast>(acc, kept, tile, weight_scales, x, t);
  }
}

// Asks for what is some groups ahead in each row; beyond a row's end, in its successor in the next
// block.
template <typename V>
inline void PrefetchRows(const uint8_t* const* rows, size_t at, size_t cols) {
  constexpr size_t kAhead = 512;  // bytes
  const size_t ahead = at + kAhead;
  const size_t jump = ahead < cols ? ahead : ahead + (V::kLanes - 1) * cols;
  for (size_t r = 0; r < V::kLanes; ++r) __builtin_prefetch(rows[r] + jump);
}

// One group of a block of rows, of which column `column` is the first, for all tokens. A group is
// kTiles * 4 * kSteps columns; kTiles = 0: of any number of tiles.
template <typename V, size_t kSteps, size_t kTiles>
inline void MultiplyGroup(typename V::Reg* acc, typename V::Int* kept, const uint8_t* const* rows,
                          size_t column, size_t cols, typename V::Reg scales, TokenGroups tokens,
                          size_t n) {
  constexpr size_t kTileCols = 4 * kSteps;
  const size_t group = kTiles == 1 ? kTileCols : tokens.group;
  for (size_t k = 0; k < group; k += kTileCols, tokens.q += kTileCols) {
    typename V::template Tile<kSteps> tile;
    tile.Load(rows, column + k);
    if (kTileCols >= 32 && (column + k) % 64 == 0) PrefetchRows<V>(rows, column + k, cols);
    if constexpr (kTiles == 1) {
      MultiplyTileByAll<V, kSteps, true, true>(acc, kept, tile, scales, tokens, n);
    } else if (k == 0) {
      MultiplyTileByAll<V, kSteps, true, false>(acc, kept, tile, scales, tokens, n);
    } else if (k + kTileCols < group) {
      MultiplyTileByAll<V, kSteps, false, false>(acc, kept, tile, scales, tokens, n);
    } else {
      MultiplyTileByAll<V, kSteps, false, true>(acc, kept, tile, scales, tokens, n);
    }
  }
}

// A block of up to kLanes rows for up to kMostTokens tokens from `first` on.
template <typename V, size_t kSteps, size_t kTiles>
inline void MultiplyBlock(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                          size_t row, size_t n_rows, size_t first) {
  const size_t group = kTiles == 1 ? 4 * kSteps : x.group;
  const size_t groups = w.cols / group;
  const size_t n = Least(x.n_tokens - first, kMostTokens);
  const uint8_t* rows[V::kLanes];
  for (size_t r = 0; r < V::kLanes; ++r) rows[r] = w.data + (row + Least(r, n_rows - 1)) * w.cols;
  RowScales<V> row_scales(w, row, n_rows, groups, w.group_size / group);
  typename V::Reg acc[kMostTokens];
  typename V::Int kept[kTiles == 1 ? 1 : kMostTokens];
  for (size_t t = 0; t < n; ++t) acc[t] = V::Set1(0);
  for (size_t g = 0; g < groups; ++g) {
    const size_t at = g * x.n_tokens + first;
    const TokenGroups tokens = {x.q + at * group, x.scales + at, x.offsets + at, group};
    MultiplyGroup<V, kSteps, kTiles>(acc, kept, rows, g * group, w.cols, row_scales.Next(), tokens,
                                     n);
  }
  for (size_t t = 0; t < n; ++t) {
    float* to = out + (first + t) * out_stride + row;
    if (n_rows == V::kLanes) {
      V::Store(to, acc[t]);
    } else {
      V::StoreFirst(to, acc[t], n_rows);
    }
  }
}

template <typename V, size_t kSteps, size_t kTiles>
void MatmulQ80Groups(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                     size_t row_begin, size_t row_end) {
  for (size_t row = row_begin; row < row_end; row += V::kLanes) {
    for (size_t first = 0; first < x.n_tokens; first += kMostTokens) {
      MultiplyBlock<V, kSteps, kTiles>(out, out_stride, x, w, row, Least(row_end - row, V::kLanes),
                                       first);
    }
  }
}

template <typename V>
void MatmulQ80(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
               size_t row_begin, size_t row_end) {
  switch (x.group) {
    case 4:
      return MatmulQ80Groups<V, 1, 1>(out, out_stride, x, w, row_begin, row_end);
    case 8:
      return MatmulQ80Groups<V, 2, 1>(out, out_stride, x, w, row_begin, row_end);
    case 16:
      return MatmulQ80Groups<V, 4, 1>(out, out_stride, x, w, row_begin, row_end);
    case 32:
      return MatmulQ80Groups<V, 8, 1>(out, out_stride, x, w, row_begin, row_end);
    case 64:
      return MatmulQ80Groups<V, 16, 1>(out, out_stride, x, w, row_begin, row_end);
    default:
      // Larger ones by tiles of 64 or 32 columns; sizes nobody uses take the portable way.
      if (x.group % 64 == 0) {
        return MatmulQ80Groups<V, 16, 0>(out, out_stride, x, w, row_begin, row_end);
      }
      if (x.group % 32 == 0) {
        return MatmulQ80Groups<V, 8, 0>(out, out_stride, x, w, row_begin, row_end);
      }
      return portable::MatmulQ80(out, out_stride, x, w, row_begin, row_end);
  }
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_VECTOR_MATMUL_H_
