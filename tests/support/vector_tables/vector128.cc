// SPDX-License-Identifier: MIT
#include "kernels/native_ops.h"
#include "kernels/tables/vector_table.h"
#include "vector_tables/vector_blocks.h"

namespace clamma_test {

using Vector = clamma::CompilerVector<16>;

constinit const clamma::Kernels kVector128Kernels =
    clamma::VectorTable<Vector, clamma::kAnyMachine>(
        "vector128", clamma::kVectorInt8<Vector, clamma::kAnyMachine>,
        VectorBlocks<Vector, clamma::kAnyMachine>::kFunctions, clamma::kLlama2cOrder<Vector>,
        clamma::kScalarNativeOrder);

}  // namespace clamma_test
