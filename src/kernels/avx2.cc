// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX2, FMA and F16C.
#include "kernels/avx2.h"

namespace clamma {

const Kernels kAvx2Kernels = {
    "avx2",         vector::MatmulF32<Avx2>, vector::MatmulQ80<Avx2, true>,
    nullptr,        vector::Quantize<Avx2>,  portable::RmsNorm,
    portable::Rope, vector::Attention<Avx2>, vector::SwiGlu<Avx2>,
    portable::Add,  vector::Softmax<Avx2>,
};

}  // namespace clamma
