// SPDX-License-Identifier: MIT
#include "kernels/units/compiler_vectors.h"

#include "unit_ops.h"

namespace clamma_test {

constinit const UnitOps kVector128Ops = OpsOf<clamma::CompilerVector<16>, 32>("vector128");
constinit const UnitOps kVector256Ops = OpsOf<clamma::CompilerVector<32>, 32>("vector256");
constinit const UnitOps kVector512Ops = OpsOf<clamma::CompilerVector<64>, 32>("vector512");

}  // namespace clamma_test
