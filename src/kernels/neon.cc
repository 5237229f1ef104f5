// SPDX-License-Identifier: MIT
// Kernels for AArch64 with no more than every one of them has.
#include "kernels/neon.h"

namespace clamma {

const Kernels kNeonKernels = {
    "neon",         vector::MatmulF32<Neon>, vector::MatmulQ80<Neon>,
    nullptr,        vector::Quantize<Neon>,  portable::RmsNorm,
    portable::Rope, vector::Attention<Neon>, vector::SwiGlu<Neon>,
    portable::Add,  vector::Softmax<Neon>,
};

}  // namespace clamma
