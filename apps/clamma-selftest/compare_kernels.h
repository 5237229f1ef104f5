// SPDX-License-Identifier: MIT
// Compares the results of a kernel table with those of the plain one, bit by bit.
#ifndef CLAMMA_APPS_SELFTEST_COMPARE_KERNELS_H_
#define CLAMMA_APPS_SELFTEST_COMPARE_KERNELS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace selftest {

struct Comparison {
  size_t results = 0;                 // number of results that were compared
  std::vector<std::string> failures;  // the results that differ, and where
};

// Compares matrix products of all types of this build, norms, softmax, gates, attention, rotary
// embeddings and sums, with shapes that cover each path through the kernels.
Comparison CompareKernels(const clamma::Kernels& table, const clamma::Kernels& plain);

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_COMPARE_KERNELS_H_
