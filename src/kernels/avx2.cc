// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX2, FMA and F16C.
#include "kernels/avx2.h"

#include "kernels/avx2_q80.h"

namespace clamma {

constinit const Kernels kAvx2Kernels = {
    .name = "avx2",
    .quantizers = {{{ActivationKind::kFloats, {}},
                    {ActivationKind::kInt8Groups,
                     {.bytes = avx2::Int8Bytes, .quantize = avx2::QuantizeInt8}}}},
    .matmul = {{{WeightType::kF32, vector::MatmulF32<Avx2>},
                {WeightType::kInt8Groups, avx2::MatmulInt8}}},
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
