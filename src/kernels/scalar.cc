// SPDX-License-Identifier: MIT
// The portable kernels as they are: the reference of every other table, and all there is where no
// vector unit is.
#include "kernels/portable.h"

namespace clamma {

const Kernels kScalarKernels = {
    "scalar",           portable::MatmulF32, portable::MatmulQ80, nullptr,
    portable::Quantize, portable::RmsNorm,   portable::Rope,      portable::Attention,
    portable::SwiGlu,   portable::Add,       portable::Softmax,
};

}  // namespace clamma
