// SPDX-License-Identifier: MIT
// The native order of sums by this instruction set.
#include "kernels/native_ops.h"
#include "kernels/skeletons/native_attention.h"
#include "kernels/units/avx2.h"

namespace clamma {

constinit const OrderKernels kAvx2NativeOrder = native::OrderOf<Avx2>("avx2");

}  // namespace clamma
