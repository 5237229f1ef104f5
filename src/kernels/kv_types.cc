// SPDX-License-Identifier: MIT
#include "kernels/kv_types.h"

#include "kernels/half.h"
#include "kernels/int8.h"

namespace clamma {
namespace {

bool StoreF32(const KvPlace& to, const float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) std::memcpy(to.elements + 4 * i * to.stride, &x[i], 4);
  return true;
}

bool StoreF16(const KvPlace& to, const float* x, size_t n) {
  bool fits = true;
  for (size_t i = 0; i < n; ++i) {
    const uint16_t half = FloatToHalf(x[i]);
    if constexpr (kHasGguf) fits &= (half & 0x7fff) != 0x7c00 || __builtin_isinf(x[i]) != 0;
    std::memcpy(to.elements + 2 * i * to.stride, &half, 2);
  }
  return fits;
}

bool StoreQ8(const KvPlace& to, const float* x, size_t n) {
  const float scale = QuantizeToInt8(reinterpret_cast<int8_t*>(to.elements), to.stride, x, n);
  std::memcpy(to.scale, &scale, 4);
  return true;
}

}  // namespace

constinit const ByKey<KvType, kKvTypes, KvFormat> kKvFormats = {{
    {KvType::kF32, {.name = "f32", .element_bytes = 4, .scale_bytes = 0, .store = StoreF32}},
    {KvType::kF16, {.name = "f16", .element_bytes = 2, .scale_bytes = 0, .store = StoreF16}},
    {KvType::kQ8,
     {.name = "q8", .element_bytes = 1, .scale_bytes = 4, .store = kHasGguf ? StoreQ8 : nullptr}},
}};

}  // namespace clamma
