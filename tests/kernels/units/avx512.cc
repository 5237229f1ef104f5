// SPDX-License-Identifier: MIT
#include "kernels/units/avx512.h"

#include "unit_ops.h"

namespace clamma_test {

constinit const UnitOps kAvx512Ops = OpsOf<clamma::Avx512, 64>("avx512");

}  // namespace clamma_test
