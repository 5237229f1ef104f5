// SPDX-License-Identifier: MIT
// Matrices of F16 or BF16 weights times activations, for any vector unit V: each weight becomes the
// float that it is, and the sums are those of float matrices.
#ifndef CLAMMA_KERNELS_SKELETONS_MATMUL_HALVES_H_
#define CLAMMA_KERNELS_SKELETONS_MATMUL_HALVES_H_

#include "kernels/formats/bf16.h"
#include "kernels/formats/f16.h"
#include "kernels/skeletons/vector.h"

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
                                             size_t cols) {
  using Reg = typename V::Reg;
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (size_t p = 0; p < kParts<V>; ++p) sums[r][p] = V::Set1(0);
  }
  size_t k = 0;
  for (; k + 16 <= cols; k += 16) {
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

// One token, V::kLanes rows, whose results are lanes.
template <typename V, typename E>
inline typename V::Reg MatvecHalves(const uint8_t* rows, size_t row_bytes, const float* x,
                                    size_t cols) {
  constexpr size_t kRows = V::kFloatRowsOfOne < V::kLanes ? V::kFloatRowsOfOne : V::kLanes;
  typename V::Reg sums[V::kLanes][kParts<V>];
#pragma GCC unroll 16
  for (size_t r = 0; r < V::kLanes; r += kRows) {
    typename V::Reg some[kRows][kParts<V>];
    DotHalves<V, E, kRows>(some, rows + r * row_bytes, row_bytes, x, cols);
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (size_t p = 0; p < kParts<V>; ++p) sums[r + i][p] = some[i][p];
    }
  }
  return V::Join(sums);
}

constexpr size_t kHalvesChunk = 256;  // columns that are converted at a time
constexpr size_t kHalvesPass = 32;    // tokens whose partial sums wait: at most 32 KB

// Of V::kLanes rows a chunk of columns, as floats, and partial sums of some tokens.
template <typename V>
struct HalvesPanel {
  using Reg = typename V::Reg;
  using Sums = float[V::kLanes][kParts<V>][V::kLanes];  // of one token

  template <typename E>
  void Load(const uint8_t* rows, size_t row_bytes, size_t n_cols) {
    cols = n_cols;
    for (size_t r = 0; r < V::kLanes; ++r, rows += row_bytes) {
      size_t k = 0;
      for (; k + V::kLanes <= cols; k += V::kLanes) {
        V::Store(weights[r] + k, E::template Load<V>(rows + 2 * k));
      }
      for (; k < cols; ++k) weights[r][k] = E::One(rows + 2 * k);
    }
  }

  // sums += the products of kRows rows from `row` on and kTokens tokens, `stride` floats apart.
  template <size_t kRows, size_t kTokens>
  void Multiply(Sums* sums, size_t row, const float* x, size_t stride) const {
    Reg held[kRows][kTokens][kParts<V>];
    ForEach<kRows, kTokens>(
        [&](size_t r, size_t t, size_t p) { held[r][t][p] = V::Load(sums[t][row + r][p]); });
    size_t k = 0;
    for (; k + 16 <= cols; k += 16) {
      ForEach<kRows, kTokens>([&](size_t r, size_t t, size_t p) {
        const size_t at = k + p * V::kLanes;
        held[r][t][p] =
            V::Fma(V::Load(weights[row + r] + at), V::Load(x + t * stride + at), held[r][t][p]);
      });
    }
    if (k < cols) {
      ForEach<kRows, kTokens>([&](size_t r, size_t t, size_t p) {
        const size_t at = k + p * V::kLanes;
        if (at >= cols) return;
        held[r][t][p] = V::FmaFirst(reinterpret_cast<const uint8_t*>(weights[row + r] + at),
                                    x + t * stride + at, held[r][t][p], Min(cols - at, V::kLanes));
      });
    }
    ForEach<kRows, kTokens>(
        [&](size_t r, size_t t, size_t p) { V::Store(sums[t][row + r][p], held[r][t][p]); });
  }

  size_t cols;
  alignas(64) float weights[V::kLanes][kHalvesChunk];

 private:
  // Part by part, so that what is loaded of a row or a token serves all that need it.
  template <size_t kRows, size_t kTokens, typename Body>
  [[gnu::always_inline]] static void ForEach(const Body& body) {
#pragma GCC unroll 4
    for (size_t p = 0; p < kParts<V>; ++p) {
#pragma GCC unroll 8
      for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (size_t t = 0; t < kTokens; ++t) body(r, t, p);
      }
    }
  }
};

// V::kLanes rows times n tokens, at most kHalvesPass. Not inlined: only its caller's caller needs
// the stack.
template <typename V, typename E>
[[gnu::noinline]] void MatmulHalvesPanel(float* out, size_t out_stride, const float* x, size_t n,
                                         const uint8_t* rows, size_t row_bytes, size_t cols) {
  constexpr size_t kTokens = V::kFloatTokens;
  HalvesPanel<V> panel;
  alignas(64) typename HalvesPanel<V>::Sums sums[kHalvesPass];
  __builtin_memset(sums, 0, n * sizeof(sums[0]));
  for (size_t k = 0; k < cols; k += kHalvesChunk) {
    panel.template Load<E>(rows + 2 * k, row_bytes, Min(cols - k, kHalvesChunk));
    for (size_t t = 0; t < n; t += kTokens) {
      WithCount<kTokens>(Min(n - t, kTokens), [&]<size_t kCount>() {
        for (size_t r = 0; r < V::kLanes; r += V::kFloatRows) {
          panel.template Multiply<V::kFloatRows, kCount>(sums + t, r, x + t * cols + k, cols);
        }
      });
    }
  }
  for (size_t t = 0; t < n; ++t) {
    typename V::Reg parts[V::kLanes][kParts<V>];
#pragma GCC unroll 16
    for (size_t r = 0; r < V::kLanes; ++r) {
#pragma GCC unroll 4
      for (size_t p = 0; p < kParts<V>; ++p) parts[r][p] = V::Load(sums[t][r][p]);
    }
    V::Store(out + t * out_stride, V::Join(parts));
  }
}

template <typename V, typename E>
void MatmulHalves(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                  size_t row_begin, size_t row_end) {
  if (row_end - row_begin < V::kLanes) {
    return portable::MatmulHalves<E>(out, out_stride, x, w, row_begin, row_end);
  }
  for (size_t next = row_begin; next < row_end; next += V::kLanes) {
    // The last rows together with some of those before.
    const size_t row = Min(next, row_end - V::kLanes);
    const uint8_t* rows = w.data + row * w.row_bytes;
    if (x.n_tokens == 1) {
      V::Store(out + row, MatvecHalves<V, E>(rows, w.row_bytes, x.x, w.cols));
      continue;
    }
    for (size_t t = 0; t < x.n_tokens; t += kHalvesPass) {
      MatmulHalvesPanel<V, E>(out + t * out_stride + row, out_stride, x.x + t * w.cols,
                              Min(x.n_tokens - t, kHalvesPass), rows, w.row_bytes, w.cols);
    }
  }
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_MATMUL_HALVES_H_
