// SPDX-License-Identifier: MIT
#include "kernels/skeletons/matmul_int8.h"
#include "kernels/tables/avx512.h"
#include "kernels/units/avx512.h"

namespace clamma {

void avx512::MatmulInt8(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                        size_t row_begin, size_t row_end) {
  vector::MatmulInt8<Avx512, kIntelServer>(out, out_stride, x, w, row_begin, row_end);
}

void avx512::MatmulInt8Zen(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                           size_t row_begin, size_t row_end) {
  vector::MatmulInt8<Avx512, kZen5>(out, out_stride, x, w, row_begin, row_end);
}

}  // namespace clamma
