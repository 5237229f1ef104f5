// SPDX-License-Identifier: MIT
#include "kernels/native_ops.h"
#include "kernels/tables/vector_table.h"
#include "kernels/units/compiler_vectors.h"
#include "vector_tables/vector_tables.h"

namespace clamma_test {

using Vector = clamma::CompilerVector<16>;

constinit const clamma::Kernels kVector128Kernels =
    clamma::VectorTable<Vector, clamma::kAnyMachine>(
        "vector128", clamma::kVectorInt8<Vector, clamma::kAnyMachine>, clamma::kBlocksPlain,
        clamma::kScalarNativeOrder);

}  // namespace clamma_test
