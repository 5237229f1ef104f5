// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX-VNNI beside AVX2, FMA and F16C.
#include "kernels/avx2.h"

namespace clamma {

constinit const Kernels kAvxVnniKernels = {
    .name = "avx-vnni",
    .quantizers = {{{ActivationKind::kFloats, {}},
                    {ActivationKind::kInt8Groups,
                     {.bytes = portable::Int8Bytes, .quantize = vector::QuantizeInt8<Avx2>}}}},
    .matmul = {{{WeightType::kF32, vector::MatmulF32<Avx2>},
                {WeightType::kInt8Groups, vector::MatmulInt8<Avx2>}}},
    .orders = {{{SumOrder::kLlama2c,
                 {.rmsnorm = portable::RmsNorm,
                  .softmax = vector::Softmax<Avx2>,
                  .glu = {{{GluType::kSilu, vector::SwiGlu<Avx2>}}},
                  .attention = {{{KvType::kF32, vector::Attention<Avx2, KvType::kF32>},
                                 {KvType::kF16, vector::Attention<Avx2, KvType::kF16>}}}}}}},
    .rope = {{{RopeStyle::kPairs, portable::Rope}}},
    .add = portable::Add,
};

}  // namespace clamma
