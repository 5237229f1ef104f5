// SPDX-License-Identifier: MIT
// int8 matrices by AVX-512 with VNNI; a source of its own, as it takes longest to compile.
#ifndef CLAMMA_KERNELS_AVX512_Q80_H_
#define CLAMMA_KERNELS_AVX512_Q80_H_

#include "kernels/kernels.h"

namespace clamma {

// Kernels::matmul[WeightType::kInt8Groups].
void MatmulInt8Avx512(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                      size_t row_begin, size_t row_end);

// The same for CPUs that read weights best in the order in which they lie.
void MatmulInt8Avx512InOrder(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                             size_t row_begin, size_t row_end);

}  // namespace clamma

#endif  // CLAMMA_KERNELS_AVX512_Q80_H_
