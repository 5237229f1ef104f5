// SPDX-License-Identifier: MIT
#include "kernels/avx512_q80.h"

#include "kernels/avx512.h"

namespace clamma {

void MatmulInt8Avx512(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                      size_t row_begin, size_t row_end) {
  vector::MatmulInt8<Avx512>(out, out_stride, x, w, row_begin, row_end);
}

void MatmulInt8Avx512InOrder(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                             size_t row_begin, size_t row_end) {
  vector::MatmulInt8<Avx512, true>(out, out_stride, x, w, row_begin, row_end);
}

}  // namespace clamma
