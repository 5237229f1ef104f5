// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX2, FMA and F16C.
#include "kernels/avx2.h"

#include "kernels/avx2_q80.h"

namespace clamma {

const Kernels kAvx2Kernels = {
    "avx2",         vector::MatmulF32<Avx2>, avx2::MatmulQ80,
    avx2::Packs,    avx2::Quantize,          portable::RmsNorm,
    portable::Rope, vector::Attention<Avx2>, vector::SwiGlu<Avx2>,
    portable::Add,  vector::Softmax<Avx2>,   avx2::kPackedBytes,
};

}  // namespace clamma
