// SPDX-License-Identifier: MIT
// What the kernels for vector units share. They are templates over a unit V, the struct of an
// instruction set's file that has its registers and instructions (see avx512.h for the whole of
// what it must have).
#ifndef CLAMMA_KERNELS_VECTOR_H_
#define CLAMMA_KERNELS_VECTOR_H_

#include "kernels/portable.h"

namespace clamma {
namespace {
namespace vector {

using portable::Least;

constexpr size_t kLine = 64;           // bytes of the cache's
constexpr size_t kNever = ~size_t{0};  // a least that nothing reaches

// Registers of a float dot product's 16 partial sums.
template <typename V>
constexpr size_t kParts = 16 / V::kLanes;

// Runs f<n>() for an n in 1 .. kMost known at run time.
template <size_t kMost, typename F>
inline void WithCount(size_t n, const F& f) {
  if constexpr (kMost == 1) {
    f.template operator()<1>();
  } else if (n == kMost) {
    f.template operator()<kMost>();
  } else {
    WithCount<kMost - 1>(n, f);
  }
}

}  // namespace vector
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_VECTOR_H_
