// SPDX-License-Identifier: MIT
// The native order of sums by this instruction set.
#include "kernels/native_ops.h"
#include "kernels/skeletons/native_attention.h"
#include "kernels/units/neon.h"

namespace clamma {

constinit const OrderKernels kNeonNativeOrder = native::OrderOf<Neon>("neon");

}  // namespace clamma
