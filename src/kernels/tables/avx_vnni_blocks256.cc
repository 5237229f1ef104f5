// SPDX-License-Identifier: MIT
#include "kernels/formats/all.h"
#include "kernels/skeletons/native_matmul.h"
#include "kernels/tables/blocks.h"
#include "kernels/units/avx2.h"

namespace clamma {

void QuantizeBlocks256AvxVnni(const Activations& x, size_t begin, size_t end) {
  native::Quantize<Avx2, 256>(x, begin, end);
}

void MatmulBlocks256AvxVnni(float* out, size_t out_stride, const Activations& x, const Matrix& w,
                            size_t row_begin, size_t row_end) {
  formats::WithSuperBlocks(w.type, [&]<typename F>() {
    native::Matmul<Avx2, F>(out, out_stride, x, w, row_begin, row_end, kIntelClient);
  });
}

}  // namespace clamma
