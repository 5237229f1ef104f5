// SPDX-License-Identifier: MIT
// Kernels for AArch64 with no more than every one of them has.
#include "kernels/units/neon.h"

#include "kernels/native_ops.h"
#include "kernels/tables/vector_table.h"

namespace clamma {

constinit const OrderKernels kNeonLlama2cOrder = kLlama2cOrder<Neon>;

constinit const Kernels kNeonKernels = VectorTable<Neon, kArm>(
    "neon", kVectorInt8<Neon, kArm>, kBlocksNeon, kNeonLlama2cOrder, kNeonNativeOrder);

}  // namespace clamma
