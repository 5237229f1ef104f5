// SPDX-License-Identifier: MIT
// The portable kernels as they are: the reference of every other table, and all there is where no
// vector unit is.
#include "kernels/native_ops.h"
#include "kernels/skeletons/matmul_halves.h"
#include "kernels/skeletons/portable.h"
#include "kernels/tables/blocks.h"

namespace clamma {

namespace {

constexpr BlockFunctions kBlocks = kHasGguf ? kBlocksPlain : BlockFunctions{};

constexpr OrderKernels kScalarLlama2cOrder = {
    .name = "scalar",
    .rmsnorm = portable::RmsNorm,
    .softmax = portable::Softmax,
    .glu = {{{GluType::kSilu, portable::SwiGlu},
             {GluType::kGelu, nullptr},
             {GluType::kClampedSilu, nullptr}}},
    .attention = {{{KvType::kF32, portable::Attention<KvType::kF32>},
                   {KvType::kF16, portable::Attention<KvType::kF16>},
                   {KvType::kQ8, nullptr}}},
    .attention_scratch = AttentionScratch,
    .query_tile = kQueryTile,
};

}  // namespace

constinit const Kernels kScalarKernels = {
    .name = "scalar",
    .quantizers =
        QuantizersBy({.bytes = portable::Int8Bytes, .quantize = portable::QuantizeInt8}, kBlocks),
    .matmul =
        MatmulsBy(portable::MatmulF32, portable::MatmulInt8, portable::MatmulHalves<formats::F16>,
                  portable::MatmulHalves<formats::BF16>, kBlocks),
    .orders = {{{SumOrder::kLlama2c, &kScalarLlama2cOrder},
                {SumOrder::kNative, kHasGguf ? &kScalarNativeOrder : nullptr}}},
    .rope = {{{RopeStyle::kPairs, portable::Rope},
              {RopeStyle::kHalves, kHasGguf ? portable::RopeHalves : nullptr}}},
    .add = portable::Add,
};

}  // namespace clamma
