// SPDX-License-Identifier: MIT
// Tables of the compiler's vectors, in every width and with every way to read weights, so that the
// skeletons run on every machine that runs the tests. Quantised blocks are the scalar table's:
// their ten formats would take minutes to compile.
#ifndef CLAMMA_TESTS_SUPPORT_VECTOR_TABLES_VECTOR_TABLES_H_
#define CLAMMA_TESTS_SUPPORT_VECTOR_TABLES_VECTOR_TABLES_H_

#include "kernels/kernels.h"

namespace clamma_test {

extern const clamma::Kernels kVector128Kernels;
extern const clamma::Kernels kVector256Kernels;
extern const clamma::Kernels kVector512Kernels;
extern const clamma::Kernels kVector512InOrderKernels;

// The native order of sums, with room for various numbers of sums.
extern const clamma::OrderKernels kVectorNativeOrders[4];

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_VECTOR_TABLES_VECTOR_TABLES_H_
