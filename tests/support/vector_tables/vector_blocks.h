// SPDX-License-Identifier: MIT
// Quantised blocks by the compiler's vectors. This is for some formats, which have all kinds of
// blocks, because all formats would take minutes to compile. The others are multiplied as in the
// scalar table.
#ifndef CLAMMA_TESTS_SUPPORT_VECTOR_TABLES_VECTOR_BLOCKS_H_
#define CLAMMA_TESTS_SUPPORT_VECTOR_TABLES_VECTOR_BLOCKS_H_

#include "kernels/formats/all.h"
#include "kernels/skeletons/native_matmul.h"
#include "kernels/skeletons/native_matmul_plain.h"
#include "kernels/tables/blocks.h"
#include "kernels/units/compiler_vectors.h"
#include "vector_tables/vector_tables.h"

namespace clamma_test {
namespace {

template <typename V, const clamma::Tuning& kTuning>
struct VectorBlocks {
  // The function that multiplies matrices of format F.
  template <typename F>
  static void Multiply(float* out, size_t out_stride, const clamma::Activations& x,
                       const clamma::Matrix& w, size_t row_begin, size_t row_end) {
    if constexpr (IsByVectors(F::kType, V::kLanes)) {
      clamma::native::Matmul<V, F>(out, out_stride, x, w, row_begin, row_end, kTuning);
    } else {
      clamma::native::MatmulPlainly<F>(out, out_stride, x, w, row_begin, row_end);
    }
  }
  static void Matmul32(float* out, size_t out_stride, const clamma::Activations& x,
                       const clamma::Matrix& w, size_t row_begin, size_t row_end) {
    clamma::formats::WithSmallBlocks(
        w.type, [&]<typename F>() { Multiply<F>(out, out_stride, x, w, row_begin, row_end); });
  }
  static void Matmul256(float* out, size_t out_stride, const clamma::Activations& x,
                        const clamma::Matrix& w, size_t row_begin, size_t row_end) {
    clamma::formats::WithSuperBlocks(
        w.type, [&]<typename F>() { Multiply<F>(out, out_stride, x, w, row_begin, row_end); });
  }
  template <size_t kBlock>
  static void Quantize(const clamma::Activations& x, size_t begin, size_t end) {
    clamma::native::Quantize<V, kBlock>(x, begin, end);
  }

  static constexpr clamma::BlockFunctions kFunctions =
      clamma::BlocksBy(Quantize<32>, Matmul32, Quantize<256>, Matmul256);
};

}  // namespace
}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_VECTOR_TABLES_VECTOR_BLOCKS_H_
