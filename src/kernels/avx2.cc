// SPDX-License-Identifier: MIT
// The scalar kernels once more, as compilers vectorise them for x86-64 with AVX2 and FMA.
#define CLAMMA_SCALAR_TABLE kAvx2Kernels
#define CLAMMA_SCALAR_NAME "avx2"
#include "kernels/scalar.cc"
