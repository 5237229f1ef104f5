// SPDX-License-Identifier: MIT
#include "kernels/formats/all.h"
#include "kernels/skeletons/native_matmul.h"
#include "kernels/tables/blocks.h"
#include "kernels/units/avx512.h"

namespace clamma {

void QuantizeBlocks32Avx512(const Activations& x, size_t begin, size_t end) {
  native::Quantize<Avx512, 32>(x, begin, end);
}

void MatmulBlocks32Avx512(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                          size_t row_begin, size_t row_end) {
  formats::WithSmallBlocks(w.type, [&]<typename F>() {
    native::Matmul<Avx512, F>(out, out_stride, x, w, row_begin, row_end, kIntelServer);
  });
}

void MatmulBlocks32Avx512Zen(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                             size_t row_begin, size_t row_end) {
  formats::WithSmallBlocks(w.type, [&]<typename F>() {
    native::Matmul<Avx512, F>(out, out_stride, x, w, row_begin, row_end, kZen5);
  });
}

}  // namespace clamma
