// SPDX-License-Identifier: MIT
// The native order of sums by this instruction set.
#include "kernels/native_ops.h"
#include "kernels/skeletons/native_attention.h"
#include "kernels/units/avx512.h"

namespace clamma {

constinit const OrderKernels kAvx512NativeOrder = native::OrderOf<Avx512>("avx512");

}  // namespace clamma
