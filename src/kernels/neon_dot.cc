// SPDX-License-Identifier: MIT
// Kernels for AArch64 with the int8 dot product of Armv8.2.
#include "kernels/neon.h"

namespace clamma {

const Kernels kNeonDotKernels = {
    "neondot",      vector::MatmulF32<Neon>, vector::MatmulQ80<Neon>,
    nullptr,        vector::Quantize<Neon>,  portable::RmsNorm,
    portable::Rope, vector::Attention<Neon>, vector::SwiGlu<Neon>,
    portable::Add,  vector::Softmax<Neon>,
};

}  // namespace clamma
