// SPDX-License-Identifier: MIT
// Vectors of four floats, with the compiler's vector extension: the same bits on every machine.
#ifndef CLAMMA_QUANTIZE_LANES_H_
#define CLAMMA_QUANTIZE_LANES_H_

#include <cstddef>
#include <cstring>

namespace clamma {
namespace {
namespace quantize {

using F4 = float __attribute__((vector_size(16)));

[[gnu::always_inline]] inline F4 Set(float value) { return F4{value, value, value, value}; }
[[gnu::always_inline]] inline F4 Load(const float* p) {
  F4 v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
[[gnu::always_inline]] inline void Store(float* p, F4 v) { std::memcpy(p, &v, sizeof(v)); }
[[gnu::always_inline]] inline F4 Clamp(F4 v, F4 low, F4 high) {
  const F4 raised = v > low ? v : low;
  return raised < high ? raised : high;
}
// Rounds to the nearest integer, ties to even. |v| must be below 2^22.
[[gnu::always_inline]] inline F4 Round(F4 v) {
  const F4 shift = Set(12582912.0f);  // 1.5 * 2^23: floats of this size have no fractions
  return (v + shift) - shift;
}
[[gnu::always_inline]] inline float Sum(F4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }

}  // namespace quantize
}  // namespace
}  // namespace clamma

#endif  // CLAMMA_QUANTIZE_LANES_H_
