// SPDX-License-Identifier: MIT
// Functions of the AVX-512 tables that another source needs: int8 matrices have sources of their
// own, as they take longest to compile, and the table for AMX shares what is not for tiles.
#ifndef CLAMMA_KERNELS_TABLES_AVX512_H_
#define CLAMMA_KERNELS_TABLES_AVX512_H_

#include "kernels/kernels.h"

namespace clamma {
namespace avx512 {

void MatmulF32(float* out, size_t out_stride, const Activations& x, const Matrix& w,
               size_t row_begin, size_t row_end);
void MatmulF16(float* out, size_t out_stride, const Activations& x, const Matrix& w,
               size_t row_begin, size_t row_end);
void MatmulBF16(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                size_t row_begin, size_t row_end);
void MatmulInt8(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                size_t row_begin, size_t row_end);
void MatmulInt8Zen(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                   size_t row_begin, size_t row_end);
void QuantizeInt8(const Activations& x, size_t begin, size_t end);
void Rope(float* x, const float* cosines, const float* sines, size_t n_heads, size_t head_size);
void RopeHalves(float* x, const float* cosines, const float* sines, size_t n_heads,
                size_t head_size);
void Add(float* x, const float* y, size_t n);

}  // namespace avx512

extern const OrderKernels kAvx512Llama2cOrder;

}  // namespace clamma

#endif  // CLAMMA_KERNELS_TABLES_AVX512_H_
