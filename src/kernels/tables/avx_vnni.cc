// SPDX-License-Identifier: MIT
// Kernels for x86-64 with AVX-VNNI beside AVX2, FMA and F16C.
#include "kernels/native_ops.h"
#include "kernels/tables/vector_table.h"
#include "kernels/units/avx2.h"

namespace clamma {

constinit const Kernels kAvxVnniKernels =
    VectorTable<Avx2, kIntelClient>("avx-vnni", kVectorInt8<Avx2, kIntelClient>, kBlocksAvxVnni,
                                    kAvx2Llama2cOrder, kAvx2NativeOrder);

}  // namespace clamma
