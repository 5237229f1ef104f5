// SPDX-License-Identifier: MIT
// Shared by the kernels for vector units. These are templates over a unit V (units/unit.h), and
// some also over the Tuning of a CPU family.
#ifndef CLAMMA_KERNELS_SKELETONS_VECTOR_H_
#define CLAMMA_KERNELS_SKELETONS_VECTOR_H_

#include "kernels/skeletons/portable.h"
#include "kernels/skeletons/prefetch.h"
#include "kernels/tuning.h"
#include "kernels/units/unit.h"

namespace clamma {
namespace {
namespace vector {

using portable::Min;

// The number of registers that hold a float dot product's 16 partial sums.
template <typename V>
constexpr size_t kParts = 16 / V::kLanes;

// Calls f<n>() for an n in 1 .. kMax that is known only at run time.
template <size_t kMax, typename F>
inline void WithCount(size_t n, const F& f) {
  if constexpr (kMax == 1) {
    f.template operator()<1>();
  } else if (n == kMax) {
    f.template operator()<kMax>();
  } else {
    WithCount<kMax - 1>(n, f);
  }
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_SKELETONS_VECTOR_H_
