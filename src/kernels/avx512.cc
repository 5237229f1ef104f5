// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX-512 (F, BW, DQ, VL) and VNNI, and with AMX beside them.
#include "kernels/avx512.h"

#include "kernels/amx.h"
#include "kernels/avx512_q80.h"

namespace clamma {
namespace {

constexpr Kernels TableOf(const char* name, Kernels::Matmul matmul_f32, Kernels::Matmul matmul_int8,
                          const Kernels::Quantizer& quantizer) {
  return {
      .name = name,
      .quantizers = {{{ActivationKind::kFloats, {}}, {ActivationKind::kInt8Groups, quantizer}}},
      .matmul = {{{WeightType::kF32, matmul_f32}, {WeightType::kInt8Groups, matmul_int8}}},
      .orders = {{{SumOrder::kLlama2c,
                   {.rmsnorm = portable::RmsNorm,
                    .softmax = vector::Softmax<Avx512>,
                    .glu = {{{GluType::kSilu, vector::SwiGlu<Avx512>}}},
                    .attention = {{{KvType::kF32, vector::Attention<Avx512, KvType::kF32>},
                                   {KvType::kF16, vector::Attention<Avx512, KvType::kF16>}}}}}}},
      .rope = {{{RopeStyle::kPairs, portable::Rope}}},
      .add = portable::Add,
  };
}

constexpr Kernels::Quantizer kQuantizer = {.bytes = portable::Int8Bytes,
                                           .quantize = vector::QuantizeInt8<Avx512>};

}  // namespace

#if defined(CLAMMA_HAVE_AMX)
// Here, not in amx.cc, so that all but two functions are the code of avx512.
constinit const Kernels kAmxKernels = TableOf("amx", vector::MatmulF32<Avx512>, MatmulInt8Amx,
                                              {.bytes = Int8BytesAmx, .quantize = QuantizeInt8Amx});
#endif
constinit const Kernels kAvx512Kernels =
    TableOf("avx512", vector::MatmulF32<Avx512>, MatmulInt8Avx512, kQuantizer);
// For AMD's CPUs: a Zen 5 got up to 1.4 times as much from memory that was read in order as from 16
// rows side by side.
constinit const Kernels kAvx512ZenKernels =
    TableOf("avx512-zen", vector::MatmulF32<Avx512, true>, MatmulInt8Avx512InOrder, kQuantizer);

}  // namespace clamma
