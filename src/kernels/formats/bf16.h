// SPDX-License-Identifier: MIT
// BF16: the upper half of a float. One(): a weight as the float that it is; Load(): V::kLanes of
// them.
#ifndef CLAMMA_KERNELS_FORMATS_BF16_H_
#define CLAMMA_KERNELS_FORMATS_BF16_H_

#include "kernels/half.h"

namespace clamma {
namespace {
namespace formats {

struct BF16 {
  static constexpr size_t kBytes = 2;

  static float One(const uint8_t* p) { return LoadBFloat16(p); }
  template <typename V>
  static typename V::Reg Load(const uint8_t* p) {
    return V::LoadBF16(p);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_BF16_H_
