// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AMX beside AVX-512: matrices of int8 and of quantised blocks times
// several tokens go to the tile unit, all else to the code of kAvx512Kernels.
#include "kernels/amx/matmul_int8.h"
#include "kernels/native_ops.h"
#include "kernels/tables/avx512.h"
#include "kernels/tables/blocks.h"

namespace clamma {

constinit const Kernels kAmxKernels = {
    .name = "amx",
    .quantizers =
        QuantizersBy({.bytes = amx::Int8Bytes, .quantize = amx::QuantizeInt8}, kBlocksAmx),
    .matmul = MatmulsBy(avx512::MatmulF32, amx::MatmulInt8, avx512::MatmulF16, avx512::MatmulBF16,
                        kBlocksAmx),
    .orders = {{{SumOrder::kLlama2c, &kAvx512Llama2cOrder},
                {SumOrder::kNative, &kAvx512NativeOrder}}},
    .rope = {{{RopeStyle::kPairs, avx512::Rope}, {RopeStyle::kHalves, avx512::RopeHalves}}},
    .add = avx512::Add,
};

}  // namespace clamma
