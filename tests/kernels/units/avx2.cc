// SPDX-License-Identifier: MIT
#include "kernels/units/avx2.h"

#include "unit_ops.h"

namespace clamma_test {

constinit const UnitOps kAvx2Ops = OpsOf<clamma::Avx2, 32>("avx2");

}  // namespace clamma_test
