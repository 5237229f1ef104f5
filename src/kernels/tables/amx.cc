// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AMX beside AVX-512: int8 matrices times two tokens or more go to the tile
// unit, all else to the code of kAvx512Kernels.
#include "kernels/amx/matmul_int8.h"
#include "kernels/tables/avx512.h"
#include "kernels/tables/blocks.h"

namespace clamma {

constinit const Kernels kAmxKernels = {
    .name = "amx",
    .quantizers =
        QuantizersBy({.bytes = amx::Int8Bytes, .quantize = amx::QuantizeInt8}, kBlocksAvx512),
    .matmul = MatmulsBy(avx512::MatmulF32, amx::MatmulInt8, avx512::MatmulF16, avx512::MatmulBF16,
                        kBlocksAvx512),
    .orders = {{{SumOrder::kLlama2c,
                 {.rmsnorm = avx512::RmsNorm,
                  .softmax = avx512::Softmax,
                  .glu = {{{GluType::kSilu, avx512::SwiGlu}}},
                  .attention = {{{KvType::kF32, avx512::AttentionF32},
                                 {KvType::kF16, avx512::AttentionF16}}}}}}},
    .rope = {{{RopeStyle::kPairs, avx512::Rope}}},
    .add = avx512::Add,
};

}  // namespace clamma
