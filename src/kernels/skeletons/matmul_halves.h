// SPDX-License-Identifier: MIT
// Multiplies matrices of F16 or BF16 weights by activations, for any vector unit V. Each weight is
// converted to float exactly, and the sums are those of float matrices.
#ifndef CLAMMA_KERNELS_SKELETONS_MATMUL_HALVES_H_
#define CLAMMA_KERNELS_SKELETONS_MATMUL_HALVES_H_

#include "kernels/formats/bf16.h"
#include "kernels/formats/f16.h"
#include "kernels/skeletons/panels_f32.h"
#include "kernels/skeletons/tile_rows.h"
#include "kernels/skeletons/vector.h"
#include "kernels/tuning.h"

namespace clamma {
namespace {
namespace portable {

template <typename E>
void MatmulHalves(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  for (size_t row = row_begin; row < row_end; ++row) {
    const uint8_t* weights = w.data + row * w.row_bytes;
    for (size_t t = 0; t < x.n_tokens; ++t) {
      float sums[kLanes] = {};
      for (size_t k = 0; k < w.cols; ++k) {
        float* sum = &sums[k % kLanes];
        *sum = Fma(E::One(weights + 2 * k), x.x[t * w.cols + k], *sum);
      }
      out[t * out_stride + row] = Reduce16(sums);
    }
  }
}

}  // namespace portable

namespace vector {

// sums = kRows rows of w, row_bytes apart, times x. (cols)
template <typename V, typename E, size_t kRows>
[[gnu::always_inline]] inline void DotHalves(typename V::Reg (&sums)[kRows][kParts<V>],
                                             const uint8_t* w, size_t row_bytes, const float* x,
                                             size_t cols,
                                             StreamPrefetch<CacheLevel::kFirst> ahead) {
  using Reg = typename V::Reg;
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t p = 0; p < kParts<V>; ++p) sums[r][p] = V::Set1(0);
  }
  size_t k = 0;
  for (; k + 16 <= cols; k += 16) {
    ahead.Advance(32 * kRows);
#pragma GCC unroll 4
    for (size_t p = 0; p < kParts<V>; ++p) {
      const size_t at = k + p * V::kLanes;
      const Reg xs = V::Load(x + at);
      const uint8_t* row = w + 2 * at;
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
        sums[r][p] = V::Fma(E::template Load<V>(row), xs, sums[r][p]);
        row += row_bytes;
        asm("" : "+r"(row));  // one address, not a register for each row
      }
    }
  }
  if (k == cols) return;
  for (size_t r = 0; r < kRows; ++r) {
    float last[16];
    for (size_t i = 0; k + i < cols; ++i) last[i] = E::One(w + r * row_bytes + 2 * (k + i));
#pragma GCC unroll 4
    for (size_t p = 0; p < kParts<V>; ++p) {
      const size_t at = p * V::kLanes;
      if (k + at >= cols) break;
      sums[r][p] = V::FmaFirst(reinterpret_cast<const uint8_t*>(last + at), x + k + at, sums[r][p],
                               Min(cols - k - at, V::kLanes));
    }
  }
}

// Multiplies a tile of V::kLanes rows by one token. Lane r of the result is row r's.
template <typename V, typename E>
inline typename V::Reg MatvecHalves(const TileRows& tile, const float* x, size_t cols,
                                    size_t bytes_ahead) {
  constexpr size_t kRows = V::kFloatRowsOfOne < V::kLanes ? V::kFloatRowsOfOne : V::kLanes;
  typename V::Reg sums[V::kLanes][kParts<V>];
#pragma GCC unroll 16
  for (size_t r = 0; r < V::kLanes; r += kRows) {
    typename V::Reg some[kRows][kParts<V>];
    DotHalves<V, E, kRows>(some, tile.data + r * tile.stride, tile.stride, x, cols,
                           tile.Ahead<CacheLevel::kFirst>(bytes_ahead, r, kRows));
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (size_t p = 0; p < kParts<V>; ++p) sums[r + i][p] = some[i][p];
    }
  }
  return V::Join(sums);
}

template <typename V, const Tuning& kTuning, typename E>
void MatmulHalves(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  const bool panels = x.n_tokens > 1 && w.cols % 16 == 0;
  if (row_end - row_begin < V::kLanes || (x.n_tokens > 1 && !panels)) {
    return portable::MatmulHalves<E>(out, out_stride, x, w, row_begin, row_end);
  }
  if (panels) {
    return MatmulPanels<V, E>(out, out_stride, x.x, x.n_tokens, w, row_begin, row_end);
  }
  ForEachTile(w, V::kLanes, row_begin, row_end, !kTuning.rows_in_order, [&](const TileRows& tile) {
    float results[V::kLanes];
    V::Store(results, MatvecHalves<V, E>(tile, x.x, w.cols, kTuning.tile_prefetch));
    StoreResults(out, 0, results, 1, tile);
  });
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_MATMUL_HALVES_H_
