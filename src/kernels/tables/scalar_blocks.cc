// SPDX-License-Identifier: MIT
#include "kernels/formats/all.h"
#include "kernels/skeletons/native_matmul_plain.h"
#include "kernels/tables/blocks.h"

namespace clamma {

void QuantizeBlocks32Plain(const Activations& x, size_t begin, size_t end) {
  native::QuantizePlainly<32>(x, begin, end);
}

void MatmulBlocks32Plain(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                         size_t row_begin, size_t row_end) {
  formats::WithSmallBlocks(w.type, [&]<typename F>() {
    native::MatmulPlainly<F>(out, out_stride, x, w, row_begin, row_end);
  });
}

void QuantizeBlocks256Plain(const Activations& x, size_t begin, size_t end) {
  native::QuantizePlainly<256>(x, begin, end);
}

void MatmulBlocks256Plain(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                          size_t row_begin, size_t row_end) {
  formats::WithSuperBlocks(w.type, [&]<typename F>() {
    native::MatmulPlainly<F>(out, out_stride, x, w, row_begin, row_end);
  });
}

}  // namespace clamma
