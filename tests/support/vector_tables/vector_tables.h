// SPDX-License-Identifier: MIT
// Tables of the compiler's vectors, in every width and with every way to read weights, so that all
// skeletons are tested on every machine.
#ifndef CLAMMA_TESTS_SUPPORT_VECTOR_TABLES_VECTOR_TABLES_H_
#define CLAMMA_TESTS_SUPPORT_VECTOR_TABLES_VECTOR_TABLES_H_

#include <vector>

#include "kernels/kernels.h"
#include "platform/endian.h"

namespace clamma_test {

extern const clamma::Kernels kVector128Kernels;
extern const clamma::Kernels kVector256Kernels;
extern const clamma::Kernels kVector512Kernels;
extern const clamma::Kernels kVector512InOrderKernels;

struct VectorTableOfLanes {
  const clamma::Kernels* table;
  size_t lanes;
};
inline std::vector<VectorTableOfLanes> VectorTables() {
  return {{&kVector128Kernels, 4},
          {&kVector256Kernels, 8},
          {&kVector512Kernels, 16},
          {&kVector512InOrderKernels, 16}};
}

// Whether the table of a unit with this number of lanes multiplies blocks of this type with its
// vectors, not as the scalar table does. (All types would take minutes to compile. These have every
// kind of block: int8 numbers, minima, integer scales with and without minima. Their units are for
// little-endian machines: byte 0 of a lane is its lowest.)
constexpr bool IsByVectors(clamma::WeightType type, size_t lanes) {
  using clamma::WeightType;
  if (type == WeightType::kF16 || type == WeightType::kBF16) return true;
  if (clamma::kBigEndianHost) return false;
  // With 8 lanes, sums have 16 bits, for which int8 numbers need an instruction that only AVX2 has.
  if (type == WeightType::kIQ4_NL) return lanes != 8;
  return type == WeightType::kQ5_1 || type == WeightType::kQ4_K || type == WeightType::kQ6_K;
}

// The native order of sums, with different numbers of registers for sums.
extern const clamma::OrderKernels kVectorNativeOrders[4];

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_VECTOR_TABLES_VECTOR_TABLES_H_
