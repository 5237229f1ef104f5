// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX2, FMA and F16C.
#include "kernels/units/avx2.h"

#include "kernels/avx2/matmul_int8.h"
#include "kernels/native_ops.h"
#include "kernels/tables/vector_table.h"

namespace clamma {

constinit const OrderKernels kAvx2Llama2cOrder = kLlama2cOrder<Avx2>;

constinit const Kernels kAvx2Kernels = VectorTable<Avx2, kZen3>(
    "avx2",
    {.quantizer = {.bytes = avx2::Int8Bytes, .quantize = avx2::QuantizeInt8},
     .matmul = avx2::MatmulInt8},
    kBlocksAvx2, kAvx2Llama2cOrder, kAvx2NativeOrder);

}  // namespace clamma
