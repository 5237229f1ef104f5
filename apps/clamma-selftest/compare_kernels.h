// SPDX-License-Identifier: MIT
// A kernel table against the plain one: what both make of the same numbers, bit by bit.
#ifndef CLAMMA_APPS_SELFTEST_COMPARE_KERNELS_H_
#define CLAMMA_APPS_SELFTEST_COMPARE_KERNELS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace selftest {

struct Comparison {
  size_t results = 0;                 // that were compared
  std::vector<std::string> failures;  // which of them differ, and where
};

// Compares matrix products of all types of this build, norms, softmax, gates, attention, rotary
// embeddings and sums, over shapes that take each way through the kernels.
Comparison CompareKernels(const clamma::Kernels& table, const clamma::Kernels& plain);

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_COMPARE_KERNELS_H_
