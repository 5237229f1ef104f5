// SPDX-License-Identifier: MIT
#include "kernels/native_ops.h"
#include "kernels/tables/vector_table.h"
#include "vector_tables/vector_blocks.h"

namespace clamma_test {

using Vector = clamma::CompilerVector<64>;

constinit const clamma::Kernels kVector512Kernels =
    clamma::VectorTable<Vector, clamma::kIntelServer>(
        "vector512", clamma::kVectorInt8<Vector, clamma::kIntelServer>,
        VectorBlocks<Vector, clamma::kIntelServer>::kFunctions, clamma::kLlama2cOrder<Vector>,
        clamma::kScalarNativeOrder);
constinit const clamma::Kernels kVector512InOrderKernels =
    clamma::VectorTable<Vector, clamma::kZen5>(
        "vector512-in-order", clamma::kVectorInt8<Vector, clamma::kZen5>,
        VectorBlocks<Vector, clamma::kZen5>::kFunctions, clamma::kLlama2cOrder<Vector>,
        clamma::kScalarNativeOrder);

}  // namespace clamma_test
