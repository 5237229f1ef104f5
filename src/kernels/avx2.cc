// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX2 and FMA: the portable ones, as compilers vectorise them.
#include "kernels/portable.h"

namespace clamma {

const Kernels kAvx2Kernels = {
    "avx2",         portable::MatmulF32, portable::MatmulQ80, portable::Quantize, portable::RmsNorm,
    portable::Rope, portable::Attention, portable::SwiGlu,    portable::Add,      portable::Softmax,
};

}  // namespace clamma
