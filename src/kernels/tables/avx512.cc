// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX-512 (F, BW, DQ, VL) and VNNI.
#include "kernels/tables/avx512.h"

#include "kernels/native_ops.h"
#include "kernels/tables/vector_table.h"
#include "kernels/units/avx512.h"

namespace clamma {
namespace {

constexpr Int8Functions Int8By(Kernels::Matmul matmul) {
  return {.quantizer = {.bytes = portable::Int8Bytes, .quantize = vector::QuantizeInt8<Avx512>},
          .matmul = matmul};
}

}  // namespace

constinit const OrderKernels kAvx512Llama2cOrder = kLlama2cOrder<Avx512>;

constinit const Kernels kAvx512Kernels = VectorTable<Avx512, kIntelServer>(
    "avx512", Int8By(avx512::MatmulInt8), kBlocksAvx512, kAvx512Llama2cOrder, kAvx512NativeOrder);
constinit const Kernels kAvx512ZenKernels =
    VectorTable<Avx512, kZen5>("avx512-zen", Int8By(avx512::MatmulInt8Zen), kBlocksAvx512Zen,
                               kAvx512Llama2cOrder, kAvx512NativeOrder);

namespace avx512 {

void MatmulF32(float* out, size_t out_stride, const Activations& x, const Matrix& w,
               size_t row_begin, size_t row_end) {
  vector::MatmulF32<Avx512, kIntelServer>(out, out_stride, x, w, row_begin, row_end);
}
void MatmulF16(float* out, size_t out_stride, const Activations& x, const Matrix& w,
               size_t row_begin, size_t row_end) {
  vector::MatmulHalves<Avx512, kIntelServer, formats::F16>(out, out_stride, x, w, row_begin,
                                                           row_end);
}
void MatmulBF16(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                size_t row_begin, size_t row_end) {
  vector::MatmulHalves<Avx512, kIntelServer, formats::BF16>(out, out_stride, x, w, row_begin,
                                                            row_end);
}
void QuantizeInt8(const Activations& x, size_t begin, size_t end) {
  vector::QuantizeInt8<Avx512>(x, begin, end);
}
void Rope(float* x, const float* cosines, const float* sines, size_t n_heads, size_t head_size) {
  portable::Rope(x, cosines, sines, n_heads, head_size);
}
void RopeHalves(float* x, const float* cosines, const float* sines, size_t n_heads,
                size_t head_size) {
  portable::RopeHalves(x, cosines, sines, n_heads, head_size);
}
void Add(float* x, const float* y, size_t n) { portable::Add(x, y, n); }

}  // namespace avx512
}  // namespace clamma
