// SPDX-License-Identifier: MIT
#include "kernels/units/avx2.h"
#include "unit_ops.h"

namespace clamma_test {

constinit const UnitOps kAvxVnniOps = OpsOf<clamma::Avx2, clamma::kNever>("avx-vnni");

}  // namespace clamma_test
