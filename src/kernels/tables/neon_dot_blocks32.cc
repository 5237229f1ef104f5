// SPDX-License-Identifier: MIT
#include "kernels/formats/all.h"
#include "kernels/skeletons/native_matmul.h"
#include "kernels/tables/blocks.h"
#include "kernels/units/neon.h"

namespace clamma {

void QuantizeBlocks32NeonDot(const Activations& x, size_t begin, size_t end) {
  native::Quantize<Neon, 32>(x, begin, end);
}

void MatmulBlocks32NeonDot(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                           size_t row_begin, size_t row_end) {
  formats::WithSmallBlocks(w.type, [&]<typename F>() {
    native::Matmul<Neon, F>(out, out_stride, x, w, row_begin, row_end, kArm);
  });
}

}  // namespace clamma
