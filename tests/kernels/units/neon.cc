// SPDX-License-Identifier: MIT
#include "kernels/units/neon.h"

#include "unit_ops.h"

namespace clamma_test {

constinit const UnitOps kNeonOps = OpsOf<clamma::Neon, clamma::kNever>("neon");

}  // namespace clamma_test
