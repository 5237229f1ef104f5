// SPDX-License-Identifier: MIT
#include "quantize/encode.h"

#include "kernels/half.h"
#include "kernels/weight_types.h"
#include "quantize/encode_blocks.h"

namespace clamma {
namespace {

bool IsFinite(float value) {
  return (__builtin_bit_cast(uint32_t, value) & 0x7f800000u) != 0x7f800000u;
}

void Store16(uint32_t value, uint8_t* out) {
  out[0] = static_cast<uint8_t>(value & 0xff);
  out[1] = static_cast<uint8_t>(value >> 8 & 0xff);
}

// Rounds to the nearest half, ties to even.
EncodeResult EncodeF16(float value, uint8_t* out) {
  const uint16_t half = FloatToHalf(value);
  Store16(half, out);
  return (half & 0x7fffu) == 0x7c00u ? EncodeResult::kTooLarge : EncodeResult::kOk;
}

// Rounds to the nearest bfloat16, ties to even.
EncodeResult EncodeBF16(float value, uint8_t* out) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
  Store16(rounded, out);
  return (rounded & 0x7fffu) == 0x7f80u ? EncodeResult::kTooLarge : EncodeResult::kOk;
}

EncodeResult EncodeF32(float value, uint8_t* out) {
  const auto bits = __builtin_bit_cast(uint32_t, value);
  Store16(bits & 0xffffu, out);
  Store16(bits >> 16, out + 2);
  return EncodeResult::kOk;
}

template <size_t kBytes, EncodeResult kEncode(float, uint8_t*)>
EncodeResult EncodeFloats(const float* x, size_t cols, uint8_t* out) {
  for (size_t k = 0; k < cols; ++k) {
    if (!IsFinite(x[k])) return EncodeResult::kNotFinite;
    const EncodeResult result = kEncode(x[k], out + k * kBytes);
    if (result != EncodeResult::kOk) return result;
  }
  return EncodeResult::kOk;
}

// Returns nullptr if the type has no block encoder.
BlockEncoder EncoderOf(WeightType type) {
  switch (type) {
    case WeightType::kQ8_0:
      return EncodeQ8_0;
    case WeightType::kQ4_0:
      return EncodeQ4_0;
    case WeightType::kQ4_1:
      return EncodeQ4_1;
    case WeightType::kQ5_0:
      return EncodeQ5_0;
    case WeightType::kQ5_1:
      return EncodeQ5_1;
    case WeightType::kIQ4_NL:
      return EncodeIQ4_NL;
    case WeightType::kQ4_K:
      return EncodeQ4_K;
    case WeightType::kQ5_K:
      return EncodeQ5_K;
    case WeightType::kQ6_K:
      return EncodeQ6_K;
    default:
      return nullptr;
  }
}

}  // namespace

bool CanEncode(WeightType type) {
  return type == WeightType::kF32 || type == WeightType::kF16 || type == WeightType::kBF16 ||
         EncoderOf(type) != nullptr;
}

EncodeResult EncodeRow(WeightType type, const float* x, const float* importance, size_t cols,
                       uint8_t* out) {
  if (type == WeightType::kF32) return EncodeFloats<4, EncodeF32>(x, cols, out);
  if (type == WeightType::kF16) return EncodeFloats<2, EncodeF16>(x, cols, out);
  if (type == WeightType::kBF16) return EncodeFloats<2, EncodeBF16>(x, cols, out);
  const BlockEncoder encode = EncoderOf(type);
  const WeightTypeFacts& facts = FactsOf(type);
  for (size_t k = 0; k < cols; k += facts.block_cols, out += facts.block_bytes) {
    const EncodeResult result =
        encode(x + k, importance == nullptr ? nullptr : importance + k, out);
    if (result != EncodeResult::kOk) return result;
  }
  return EncodeResult::kOk;
}

}  // namespace clamma
