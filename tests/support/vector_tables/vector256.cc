// SPDX-License-Identifier: MIT
#include "kernels/native_ops.h"
#include "kernels/tables/vector_table.h"
#include "vector_tables/vector_blocks.h"

namespace clamma_test {

using Vector = clamma::CompilerVector<32>;

constinit const clamma::Kernels kVector256Kernels = clamma::VectorTable<Vector, clamma::kZen3>(
    "vector256", clamma::kVectorInt8<Vector, clamma::kZen3>,
    VectorBlocks<Vector, clamma::kZen3>::kFunctions, clamma::kLlama2cOrder<Vector>,
    clamma::kScalarNativeOrder);

}  // namespace clamma_test
