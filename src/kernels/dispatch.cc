// SPDX-License-Identifier: MIT
#include "kernels/kernels.h"

namespace clamma {

const Kernels& SelectKernels() { return kScalarKernels; }

}  // namespace clamma
