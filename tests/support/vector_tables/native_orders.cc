// SPDX-License-Identifier: MIT
#include "kernels/skeletons/native_attention.h"
#include "kernels/units/compiler_vectors.h"
#include "vector_tables/vector_tables.h"

namespace clamma_test {
namespace {

// A unit that multiplies at most kQueries at a time, with kRegs registers for their sums.
template <size_t kBytes, size_t kQueries, size_t kRegs>
struct VectorWithSums : clamma::CompilerVector<kBytes> {
  static constexpr size_t kSumQueries = kQueries;
  static constexpr size_t kSumRegs = kRegs;
};

}  // namespace

// The numbers of NEON, AVX2 and AVX-512, and some that no unit has.
constinit const clamma::OrderKernels kVectorNativeOrders[4] = {
    clamma::native::OrderOf<VectorWithSums<16, 6, 24>>("vector128"),
    clamma::native::OrderOf<VectorWithSums<32, 6, 12>>("vector256"),
    clamma::native::OrderOf<VectorWithSums<64, 8, 16>>("vector512"),
    clamma::native::OrderOf<VectorWithSums<32, 5, 4>>("vector256few"),
};

}  // namespace clamma_test
