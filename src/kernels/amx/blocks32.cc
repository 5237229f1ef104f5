// SPDX-License-Identifier: MIT
#include "kernels/amx/matmul_blocks.h"
#include "kernels/formats/all.h"
#include "kernels/tables/blocks.h"

namespace clamma {

void MatmulBlocks32Amx(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                       size_t row_begin, size_t row_end) {
  if (!amx::IsForTiles(x, w)) {
    return MatmulBlocks32Avx512(out, out_stride, x, w, row_begin, row_end);
  }
  formats::WithSmallBlocks(w.type, [&]<typename F>() {
    amx::MatmulBlocks<F>(out, out_stride, x, w, row_begin, row_end);
  });
}

}  // namespace clamma
