// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX-512 (F, BW, DQ, VL) and VNNI, and with AMX beside them.
#include "kernels/avx512.h"

#include "kernels/amx.h"
#include "kernels/avx512_q80.h"

namespace clamma {
namespace {

constexpr Kernels TableOf(const char* name, decltype(Kernels::matmul_f32) matmul_f32,
                          decltype(Kernels::matmul_q80) matmul_q80,
                          decltype(Kernels::packs) packs = nullptr,
                          decltype(Kernels::quantize) quantize = vector::Quantize<Avx512>) {
  return {
      name,
      matmul_f32,
      matmul_q80,
      packs,
      quantize,
      portable::RmsNorm,
      portable::Rope,
      vector::Attention<Avx512>,
      vector::SwiGlu<Avx512>,
      portable::Add,
      vector::Softmax<Avx512>,
  };
}

}  // namespace

#if defined(CLAMMA_HAVE_AMX)
// Here, not in amx.cc, so that all but two functions are the code of avx512.
constinit const Kernels kAmxKernels =
    TableOf("amx", vector::MatmulF32<Avx512>, MatmulQ80Amx, PacksAmx, QuantizeAmx);
#endif
constinit const Kernels kAvx512Kernels =
    TableOf("avx512", vector::MatmulF32<Avx512>, MatmulQ80Avx512);
// For AMD's CPUs: a Zen 5 got up to 1.4 times as much from memory that was read in order as from 16
// rows side by side.
constinit const Kernels kAvx512ZenKernels =
    TableOf("avx512-zen", vector::MatmulF32<Avx512, true>, MatmulQ80Avx512InOrder);

}  // namespace clamma
