// SPDX-License-Identifier: MIT
// F32. Load(): V::kLanes weights.
#ifndef CLAMMA_KERNELS_FORMATS_F32_H_
#define CLAMMA_KERNELS_FORMATS_F32_H_

#include <cstddef>
#include <cstdint>

namespace clamma {
namespace {
namespace formats {

struct F32 {
  static constexpr size_t kBytes = 4;

  template <typename V>
  static typename V::Reg Load(const uint8_t* p) {
    return V::LoadBytes(p);
  }
};

}  // namespace formats
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_KERNELS_FORMATS_F32_H_
