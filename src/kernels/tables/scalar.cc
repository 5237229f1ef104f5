// SPDX-License-Identifier: MIT
// The portable kernels as they are: the reference of every other table, and all there is where no
// vector unit is.
#include "kernels/skeletons/portable.h"

namespace clamma {

constinit const Kernels kScalarKernels = {
    .name = "scalar",
    .quantizers = {{{ActivationKind::kFloats, {}},
                    {ActivationKind::kInt8Groups,
                     {.bytes = portable::Int8Bytes, .quantize = portable::QuantizeInt8}}}},
    .matmul = {{{WeightType::kF32, portable::MatmulF32},
                {WeightType::kInt8Groups, portable::MatmulInt8}}},
    .orders = {{{SumOrder::kLlama2c,
                 {.rmsnorm = portable::RmsNorm,
                  .softmax = portable::Softmax,
                  .glu = {{{GluType::kSilu, portable::SwiGlu}}},
                  .attention = {{{KvType::kF32, portable::Attention<KvType::kF32>},
                                 {KvType::kF16, portable::Attention<KvType::kF16>}}}}}}},
    .rope = {{{RopeStyle::kPairs, portable::Rope}}},
    .add = portable::Add,
};

}  // namespace clamma
