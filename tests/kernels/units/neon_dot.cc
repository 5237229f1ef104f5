// SPDX-License-Identifier: MIT
#include "kernels/units/neon.h"
#include "unit_ops.h"

namespace clamma_test {

constinit const UnitOps kNeonDotOps = OpsOf<clamma::Neon, clamma::kNever>("neondot");

}  // namespace clamma_test
