// SPDX-License-Identifier: MIT
#include "platform/endian.h"
#include "quantize/encode.h"

namespace clamma {
namespace {

// Rounds to the nearest integer, ties to even. |x| must be below 2^22.
float Round(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: floats of this size have no fractions
  return (x + kShift) - kShift;
}

EncodeResult EncodeGroup(const float* x, uint32_t group, uint8_t* q, uint8_t* scale_out) {
  float largest = 0;
  for (uint32_t k = 0; k < group; ++k) {
    const float magnitude = x[k] < 0 ? -x[k] : x[k];
    // This is also false for NaN.
    if (!(magnitude < __builtin_inff())) return EncodeResult::kNotFinite;
    largest = magnitude > largest ? magnitude : largest;
  }
  const float scale = largest / 127.0f;
  WriteLe32(scale_out, __builtin_bit_cast(uint32_t, scale));
  const float divisor = scale > 0 ? scale : 1.0f;
  for (uint32_t k = 0; k < group; ++k) {
    float rounded = Round(x[k] / divisor);
    // Needed only if the scale is so small that it has lost precision.
    if (rounded > 127.0f) rounded = 127.0f;
    if (rounded < -127.0f) rounded = -127.0f;
    q[k] = static_cast<uint8_t>(static_cast<int8_t>(rounded));
  }
  return EncodeResult::kOk;
}

}  // namespace

EncodeResult EncodeInt8Groups(const float* x, uint32_t group, size_t cols, uint8_t* q,
                              uint8_t* scales) {
  for (size_t k = 0; k < cols; k += group, scales += 4) {
    const EncodeResult result = EncodeGroup(x + k, group, q + k, scales);
    if (result != EncodeResult::kOk) return result;
  }
  return EncodeResult::kOk;
}

void DecodeInt8Groups(const uint8_t* q, const uint8_t* scales, uint32_t group, uint64_t first,
                      size_t n, float* out) {
  auto in_group = static_cast<uint32_t>(first % group);
  for (size_t k = 0; k < n; ++k) {
    out[k] = static_cast<float>(static_cast<int8_t>(q[k])) * ReadLeF32(scales);
    if (++in_group < group) continue;
    in_group = 0;
    scales += 4;
  }
}

}  // namespace clamma
