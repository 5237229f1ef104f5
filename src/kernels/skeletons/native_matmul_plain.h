// SPDX-License-Identifier: MIT
// Multiplies matrices of quantised blocks by activations in plain C++, using only a format's
// Decode().
#ifndef CLAMMA_KERNELS_SKELETONS_NATIVE_MATMUL_PLAIN_H_
#define CLAMMA_KERNELS_SKELETONS_NATIVE_MATMUL_PLAIN_H_

#include "kernels/formats/format.h"
#include "kernels/math.h"
#include "kernels/skeletons/native_activations.h"

namespace clamma {
namespace {
namespace native {

// Returns acc plus what a block adds to it.
template <typename F>
inline float AddBlock(float acc, const formats::Block& w, const int8_t* q, float scale,
                      const BlockSums<32>& sums) {
  int32_t sum = 0;
  for (size_t k = 0; k < F::kCols; ++k) sum += int32_t{w.q[k]} * q[k];
  acc = Fma(static_cast<float>(sum), w.d * scale, acc);
  if constexpr (F::kHasMin) acc = Fma(static_cast<float>(sums.all), w.m * scale, acc);
  return acc;
}

template <typename F>
inline float AddBlock(float acc, const formats::Block& w, const int8_t* q, float scale,
                      const BlockSums<256>& sums) {
  int32_t sum = 0;
  for (size_t g = 0; g < F::kCols / F::kGroup; ++g) {
    int32_t of_group = 0;
    for (size_t k = g * F::kGroup; k < (g + 1) * F::kGroup; ++k) of_group += int32_t{w.q[k]} * q[k];
    sum += w.scales[g] * of_group;
  }
  acc = Fma(static_cast<float>(sum), w.d * scale, acc);
  if constexpr (F::kHasMin) {
    int32_t min = 0;
    const int16_t* x = SumsOf<F::kMinGroup>(sums);
    for (size_t i = 0; i < F::kCols / F::kMinGroup; ++i) min += w.mins[i] * x[i];
    acc = Fma(static_cast<float>(-min), w.m * scale, acc);
  }
  return acc;
}

template <typename F>
void MatmulPlainly(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                   size_t row_begin, size_t row_end) {
  const BlockActivations<F::kCols> in(x);
  for (size_t row = row_begin; row < row_end; ++row) {
    for (size_t t = 0; t < x.n_tokens; ++t) out[t * out_stride + row] = 0;
    for (size_t b = 0; b < w.cols / F::kCols; ++b) {
      formats::Block block;
      F::Decode(w.data + row * w.row_bytes + b * F::kBytes, &block);
      for (size_t t = 0; t < x.n_tokens; ++t) {
        const size_t at = b * x.n_tokens + t;
        float* acc = &out[t * out_stride + row];
        *acc = AddBlock<F>(*acc, block, in.q + at * F::kCols, in.scales[at], in.sums[at]);
      }
    }
  }
}

}  // namespace native
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_NATIVE_MATMUL_PLAIN_H_
