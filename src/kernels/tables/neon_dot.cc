// SPDX-License-Identifier: MIT
// Kernels for AArch64 with the int8 dot product of Armv8.2.
#include "kernels/native_ops.h"
#include "kernels/tables/vector_table.h"
#include "kernels/units/neon.h"

namespace clamma {

constinit const Kernels kNeonDotKernels = VectorTable<Neon, kArm>(
    "neondot", kVectorInt8<Neon, kArm>, kBlocksNeonDot, kNeonLlama2cOrder, kNeonNativeOrder);

}  // namespace clamma
