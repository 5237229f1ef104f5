// SPDX-License-Identifier: MIT
// Multiplies int8 matrices by two tokens or more on the tile unit of x86-64 CPUs with AMX.
#ifndef CLAMMA_KERNELS_AMX_MATMUL_INT8_H_
#define CLAMMA_KERNELS_AMX_MATMUL_INT8_H_

#include "kernels/kernels.h"

namespace clamma::amx {

// Functions of the AMX table for int8 groups. They call AVX-512's where the tile unit does not
// help.
uint64_t Int8Bytes(size_t n_tokens, size_t cols, size_t group);
void QuantizeInt8(const Activations& x, size_t begin, size_t end);
void MatmulInt8(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                size_t row_begin, size_t row_end);

}  // namespace clamma::amx

#endif  // CLAMMA_KERNELS_AMX_MATMUL_INT8_H_
