// SPDX-License-Identifier: MIT
// Kernels for AArch64 with no more than every one of them has.
#include "kernels/neon.h"

namespace clamma {

constinit const Kernels kNeonKernels = {
    .name = "neon",
    .quantizers = {{{ActivationKind::kFloats, {}},
                    {ActivationKind::kInt8Groups,
                     {.bytes = portable::Int8Bytes, .quantize = vector::QuantizeInt8<Neon>}}}},
    .matmul = {{{WeightType::kF32, vector::MatmulF32<Neon>},
                {WeightType::kInt8Groups, vector::MatmulInt8<Neon>}}},
    .orders = {{{SumOrder::kLlama2c,
                 {.rmsnorm = portable::RmsNorm,
                  .softmax = vector::Softmax<Neon>,
                  .glu = {{{GluType::kSilu, vector::SwiGlu<Neon>}}},
                  .attention = {{{KvType::kF32, vector::Attention<Neon, KvType::kF32>},
                                 {KvType::kF16, vector::Attention<Neon, KvType::kF16>}}}}}}},
    .rope = {{{RopeStyle::kPairs, portable::Rope}}},
    .add = portable::Add,
};

}  // namespace clamma
