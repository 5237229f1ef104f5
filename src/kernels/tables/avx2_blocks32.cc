// SPDX-License-Identifier: MIT
#include "kernels/formats/all.h"
#include "kernels/skeletons/native_matmul.h"
#include "kernels/tables/blocks.h"
#include "kernels/units/avx2.h"

namespace clamma {

void QuantizeBlocks32Avx2(const Activations& x, size_t begin, size_t end) {
  native::Quantize<Avx2, 32>(x, begin, end);
}

void MatmulBlocks32Avx2(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                        size_t row_begin, size_t row_end) {
  formats::WithSmallBlocks(w.type, [&]<typename F>() {
    native::Matmul<Avx2, F>(out, out_stride, x, w, row_begin, row_end, kZen3);
  });
}

}  // namespace clamma
