// SPDX-License-Identifier: MIT
// Multiplies matrices of floats by many tokens, and of 16-bit floats by several, for a vector unit
// V (units/unit.h) with few registers. E is the weights' format: formats/f32.h, f16.h, bf16.h.
//
// A dot product has 16 partial sums, kParts<V> registers. Here, registers hold only one of these
// parts, of kPanelRows rows by kPanelTokens tokens, so that a load serves more products than if
// they held all parts of fewer rows. A chunk of columns of the weights is copied to a panel, most
// of which stays in the first-level cache while the tokens pass. The partial sums are kept in
// memory from chunk to chunk. Each one adds its products in the same order as in all other kernels.
#ifndef CLAMMA_KERNELS_SKELETONS_PANELS_F32_H_
#define CLAMMA_KERNELS_SKELETONS_PANELS_F32_H_

#include "kernels/formats/f32.h"
#include "kernels/skeletons/prefetch.h"
#include "kernels/skeletons/vector.h"

namespace clamma {
namespace {
namespace vector {

constexpr size_t kPanelRows = 4;
constexpr size_t kPanelTokens = 3;
// The most steps of 16 columns in a panel, and the most tokens in a pass. The panel and the partial
// sums of a pass together take at most 48 KB.
template <typename V>
constexpr size_t kPanelSteps = V::kLanes == 16 ? 24 : 48;
template <typename V>
constexpr size_t kPanelPass = V::kLanes == 16 ? 21 : 45;
constexpr size_t kMinPanelCols = 192;  // of floats; with fewer, the sums cost more than is saved

// V::kLanes rows, in groups of kPanelRows.
template <Unit V>
struct Panel {
  using Reg = typename V::Reg;
  static constexpr size_t kGroups = V::kLanes / kPanelRows;
  using Sums = float[kParts<V>][V::kLanes][V::kLanes];  // the partial sums of one token

  // Copies n steps of rows that are `stride` bytes apart.
  template <typename E>
  void Load(const uint8_t* rows, size_t stride, size_t n) {
    n_steps = n;
    for (size_t r = 0; r < V::kLanes; ++r, rows += stride) {
      for (size_t s = 0; s < n_steps; ++s) {
#pragma GCC unroll 4
        for (size_t p = 0; p < kParts<V>; ++p) {
          V::Store(steps[p][r / kPanelRows][s][r % kPanelRows],
                   E::template Load<V>(rows + E::kBytes * (16 * s + V::kLanes * p)));
        }
      }
    }
  }

  // Adds the products of part p of a group of rows to `sums`; unless `waiting`, these count as 0.
  template <size_t kTokens>
  [[gnu::noinline]] void Multiply(Sums* sums, bool waiting, size_t p, size_t group, const float* x,
                                  size_t stride) const {
    Reg held[kPanelRows][kTokens];
#pragma GCC unroll 4
    for (size_t r = 0; r < kPanelRows; ++r) {
#pragma GCC unroll 4
      for (size_t t = 0; t < kTokens; ++t) {
        held[r][t] = waiting ? V::Load(sums[t][p][group * kPanelRows + r]) : V::Set1(0);
      }
    }
    x += p * V::kLanes;
#pragma GCC unroll 2
    for (size_t s = 0; s < n_steps; ++s, x += 16) {
      Reg xs[kTokens];
#pragma GCC unroll 4
      for (size_t t = 0; t < kTokens; ++t) xs[t] = V::Load(x + t * stride);
#pragma GCC unroll 4
      for (size_t r = 0; r < kPanelRows; ++r) {
        const Reg ws = V::Load(steps[p][group][s][r]);
#pragma GCC unroll 4
        for (size_t t = 0; t < kTokens; ++t) held[r][t] = V::Fma(ws, xs[t], held[r][t]);
      }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < kPanelRows; ++r) {
#pragma GCC unroll 4
      for (size_t t = 0; t < kTokens; ++t) {
        V::Store(sums[t][p][group * kPanelRows + r], held[r][t]);
      }
    }
  }

  // Multiplies the panel by n tokens, which are `stride` floats apart. Meanwhile, prefetches
  // n_lines lines of each of the next rows, row_bytes apart, into the second-level cache.
  void MultiplyAll(Sums* sums, bool waiting, const float* x, size_t stride, size_t n,
                   const uint8_t* next, size_t row_bytes, size_t n_lines) const {
    size_t prefetched = 0;  // lines of each row that were prefetched
    for (size_t t = 0; t < n; t += kPanelTokens) {
      const size_t tokens = Min(n - t, kPanelTokens);
      for (; prefetched < (t + tokens) * n_lines / n; ++prefetched) {
#pragma GCC unroll 16
        for (size_t r = 0; r < V::kLanes; ++r) {
          PrefetchLine<CacheLevel::kSecond>(next + r * row_bytes + prefetched * kLine);
        }
      }
      WithCount<kPanelTokens>(tokens, [&]<size_t kTokens>() {
        for (size_t p = 0; p < kParts<V>; ++p) {
          for (size_t group = 0; group < kGroups; ++group) {
            Multiply<kTokens>(sums + t, waiting, p, group, x + t * stride, stride);
          }
        }
      });
    }
  }

  size_t n_steps;
  alignas(64) float steps[kParts<V>][kGroups][kPanelSteps<V>][kPanelRows][V::kLanes];
};

// Multiplies V::kLanes rows by n tokens, at most kPanelPass<V>. Not inlined, so that callers that
// do not use panels need no such stack.
template <Unit V, typename E>
[[gnu::noinline]] void MatmulPanel(float* out, size_t out_stride, const float* x, size_t n,
                                   const uint8_t* rows, size_t row_bytes, size_t cols) {
  using P = Panel<V>;
  P panel;
  alignas(64) typename P::Sums sums[kPanelPass<V>];
  const size_t n_steps = cols / 16;
  const size_t n_chunks = (n_steps + kPanelSteps<V> - 1) / kPanelSteps<V>;
  size_t begin = 0;
  for (size_t chunk = 1; chunk <= n_chunks; ++chunk) {
    const size_t end = chunk * n_steps / n_chunks;
    const uint8_t* chunk_rows = rows + 16 * E::kBytes * begin;
    const size_t n_lines = ((end - begin) * 16 * E::kBytes + kLine - 1) / kLine;
    panel.template Load<E>(chunk_rows, row_bytes, end - begin);
    panel.MultiplyAll(sums, begin > 0, x + 16 * begin, cols, n, chunk_rows + V::kLanes * row_bytes,
                      row_bytes, n_lines);
    begin = end;
  }
  for (size_t t = 0; t < n; ++t) {
    typename V::Reg parts[V::kLanes][kParts<V>];
#pragma GCC unroll 16
    for (size_t r = 0; r < V::kLanes; ++r) {
#pragma GCC unroll 4
      for (size_t p = 0; p < kParts<V>; ++p) parts[r][p] = V::Load(sums[t][p][r]);
    }
    V::Store(out + t * out_stride, V::Join(parts));
  }
}

// Whether MatmulPanels() can multiply a matrix of floats and is the fastest way.
template <Unit V>
bool WantsPanels(size_t n_tokens, size_t n_rows, size_t cols) {
  return n_tokens >= V::kMinPanelTokens && n_rows >= V::kLanes && cols >= kMinPanelCols &&
         cols % 16 == 0;
}

// Multiplies rows [row_begin, row_end), V::kLanes or more, of a multiple of 16 columns. The second
// pass of tokens finds the rows' weights in a cache.
template <Unit V, typename E>
void MatmulPanels(float* out, size_t out_stride, const float* x, size_t n_tokens, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  const auto row_bytes = static_cast<size_t>(w.row_bytes);
  for (size_t next = row_begin; next < row_end; next += V::kLanes) {
    const size_t row = Min(next, row_end - V::kLanes);
    for (size_t t = 0; t < n_tokens; t += kPanelPass<V>) {
      MatmulPanel<V, E>(out + t * out_stride + row, out_stride, x + t * w.cols,
                        Min(n_tokens - t, kPanelPass<V>), w.data + row * row_bytes, row_bytes,
                        w.cols);
    }
  }
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_PANELS_F32_H_
