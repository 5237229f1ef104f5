// SPDX-License-Identifier: MIT
#ifndef CLAMMA_KERNELS_SUM_ORDER_VERSION_H_
#define CLAMMA_KERNELS_SUM_ORDER_VERSION_H_

#include <cstdint>

namespace clamma {

// Raise this by 1 with every change that alters any logit of any model, in any order of sums:
// whenever a line of tests/model/logit_hashes.txt changes. Receipts state it.
inline constexpr uint32_t kSumOrderVersion = 1;

}  // namespace clamma

#endif  // CLAMMA_KERNELS_SUM_ORDER_VERSION_H_
