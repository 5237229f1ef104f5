// SPDX-License-Identifier: MIT
// int8 matrices times two tokens or more by the tile unit of x86-64 CPUs with AMX.
#ifndef CLAMMA_KERNELS_AMX_H_
#define CLAMMA_KERNELS_AMX_H_

#include "kernels/kernels.h"

namespace clamma {

// Kernels::packs, quantize and matmul_q80. What the tile unit is of no use for goes to AVX-512's.
bool PacksAmx(size_t n_tokens, size_t group);
void QuantizeAmx(const QuantizedRows& out, const float* x, size_t g_begin, size_t g_end);
void MatmulQ80Amx(float* out, size_t out_stride, const QuantizedRows& x, const Matrix& w,
                  size_t row_begin, size_t row_end);

}  // namespace clamma

#endif  // CLAMMA_KERNELS_AMX_H_
