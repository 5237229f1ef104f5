// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AMX beside AVX-512: int8 matrices times two tokens or more go to the tile
// unit, all else to the code of kAvx512Kernels.
#include "kernels/amx/matmul_int8.h"
#include "kernels/tables/avx512.h"

namespace clamma {

constinit const Kernels kAmxKernels = {
    .name = "amx",
    .quantizers = {{{ActivationKind::kFloats, {}},
                    {ActivationKind::kInt8Groups,
                     {.bytes = amx::Int8Bytes, .quantize = amx::QuantizeInt8}}}},
    .matmul = {{{WeightType::kF32, avx512::MatmulF32}, {WeightType::kInt8Groups, amx::MatmulInt8}}},
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
