// SPDX-License-Identifier: MIT
// The table of a vector unit and a CPU family, all of the skeletons.
#ifndef CLAMMA_KERNELS_TABLES_VECTOR_TABLE_H_
#define CLAMMA_KERNELS_TABLES_VECTOR_TABLE_H_

#include "kernels/skeletons/activations.h"
#include "kernels/skeletons/attention.h"
#include "kernels/skeletons/matmul_f32.h"
#include "kernels/skeletons/matmul_halves.h"
#include "kernels/skeletons/matmul_int8.h"
#include "kernels/tables/blocks.h"

namespace clamma {

// llama2.c's order by the units that several tables share.
#if defined(__x86_64__)
extern const OrderKernels kAvx2Llama2cOrder;
#elif defined(__AARCH64EL__)
extern const OrderKernels kNeonLlama2cOrder;
#endif

namespace {

// How a table multiplies int8 groups. Quantizer and matmul share a layout.
struct Int8Functions {
  Kernels::Quantizer quantizer;
  Kernels::Matmul matmul;
};

template <Unit V, const Tuning& kTuning>
constexpr Int8Functions kVectorInt8 = {
    .quantizer = {.bytes = portable::Int8Bytes, .quantize = vector::QuantizeInt8<V>},
    .matmul = vector::MatmulInt8<V, kTuning>};

template <Unit V>
constexpr OrderKernels kLlama2cOrder = {
    .name = "",
    .rmsnorm = portable::RmsNorm,
    .softmax = vector::Softmax<V>,
    .glu = {{{GluType::kSilu, vector::SwiGlu<V>},
             {GluType::kGelu, nullptr},
             {GluType::kClampedSilu, nullptr}}},
    .attention = {{{KvType::kF32, vector::Attention<V, KvType::kF32>},
                   {KvType::kF16, vector::Attention<V, KvType::kF16>},
                   {KvType::kQ8, nullptr}}},
    .attention_scratch = AttentionScratch,
    .query_tile = kQueryTile,
};

template <Unit V, const Tuning& kTuning>
constexpr Kernels VectorTable(const char* name, const Int8Functions& int8,
                              const BlockFunctions& blocks, const OrderKernels& llama2c,
                              const OrderKernels& native) {
  return {
      .name = name,
      .quantizers = QuantizersBy(int8.quantizer, blocks),
      .matmul = MatmulsBy(vector::MatmulF32<V, kTuning>, int8.matmul,
                          vector::MatmulHalves<V, kTuning, formats::F16>,
                          vector::MatmulHalves<V, kTuning, formats::BF16>, blocks),
      .orders = {{{SumOrder::kLlama2c, &llama2c}, {SumOrder::kNative, &native}}},
      .rope = {{{RopeStyle::kPairs, portable::Rope}, {RopeStyle::kHalves, portable::RopeHalves}}},
      .add = portable::Add,
  };
}

}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_TABLES_VECTOR_TABLE_H_
