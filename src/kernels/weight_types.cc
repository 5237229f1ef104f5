// SPDX-License-Identifier: MIT
#include "kernels/weight_types.h"

#include "kernels/formats/all.h"
#include "kernels/math.h"

namespace clamma {
namespace {

template <typename F>
constexpr WeightTypeFacts FactsOfFormat(const char* name) {
  return {name, F::kCols, F::kBytes};
}

constexpr ByKey<WeightType, kWeightTypes, WeightTypeFacts> kFacts = {{
    {WeightType::kF32, {"F32", 1, 4}},
    {WeightType::kInt8Groups, {"int8 in groups", 1, 1}},
    {WeightType::kF16, {"F16", 1, 2}},
    {WeightType::kBF16, {"BF16", 1, 2}},
    {WeightType::kQ8_0, FactsOfFormat<formats::Q8_0>("Q8_0")},
    {WeightType::kQ4_0, FactsOfFormat<formats::Q4_0>("Q4_0")},
    {WeightType::kQ4_1, FactsOfFormat<formats::Q4_1>("Q4_1")},
    {WeightType::kQ5_0, FactsOfFormat<formats::Q5_0>("Q5_0")},
    {WeightType::kQ5_1, FactsOfFormat<formats::Q5_1>("Q5_1")},
    {WeightType::kIQ4_NL, FactsOfFormat<formats::IQ4_NL>("IQ4_NL")},
    {WeightType::kMXFP4, FactsOfFormat<formats::MXFP4>("MXFP4")},
    {WeightType::kQ4_K, FactsOfFormat<formats::Q4_K>("Q4_K")},
    {WeightType::kQ5_K, FactsOfFormat<formats::Q5_K>("Q5_K")},
    {WeightType::kQ6_K, FactsOfFormat<formats::Q6_K>("Q6_K")},
    {WeightType::kQ2_K, FactsOfFormat<formats::Q2_K>("Q2_K")},
    {WeightType::kQ3_K, FactsOfFormat<formats::Q3_K>("Q3_K")},
    {WeightType::kIQ4_XS, FactsOfFormat<formats::IQ4_XS>("IQ4_XS")},
}};

// out (32)
template <typename F>
void DequantizeSmallBlock(const formats::Block& block, float* out) {
  for (size_t k = 0; k < F::kCols; ++k) {
    const auto q = static_cast<float>(block.q[k]);
    out[k] = F::kHasMin ? Fma(q, block.d, block.m) : q * block.d;
  }
}

// out (256)
template <typename F>
void DequantizeSuperBlock(const formats::Block& block, float* out) {
  for (size_t k = 0; k < F::kCols; ++k) {
    const auto q = static_cast<float>(block.q[k]);
    const size_t group = k / F::kGroup;
    const float scale = block.d * static_cast<float>(block.scales[group]);
    if constexpr (F::kHasMin) {
      const size_t min_group = k / F::kMinGroup;
      out[k] = Fma(q, scale, -(block.m * static_cast<float>(block.mins[min_group])));
    } else {
      out[k] = q * scale;
    }
  }
}

template <typename F>
void DequantizeBlocks(const uint8_t* row, size_t cols, float* out) {
  for (size_t k = 0; k < cols; k += F::kCols, row += F::kBytes) {
    formats::Block block;
    F::Decode(row, &block);
    if constexpr (F::kCols == formats::kSuperBlock) {
      DequantizeSuperBlock<F>(block, out + k);
    } else {
      DequantizeSmallBlock<F>(block, out + k);
    }
  }
}

}  // namespace

const WeightTypeFacts& FactsOf(WeightType type) { return kFacts[type]; }

void DequantizeRow(WeightType type, const uint8_t* row, size_t cols, float* out) {
  switch (type) {
    case WeightType::kF32:
      for (size_t k = 0; k < cols; ++k) {
        const uint32_t low = formats::LoadLe16(row + 4 * k);
        out[k] =
            __builtin_bit_cast(float, low | uint32_t{formats::LoadLe16(row + 4 * k + 2)} << 16);
      }
      return;
    case WeightType::kF16:
      for (size_t k = 0; k < cols; ++k) out[k] = formats::LoadLeHalf(row + 2 * k);
      return;
    case WeightType::kBF16:
      for (size_t k = 0; k < cols; ++k) {
        out[k] = __builtin_bit_cast(float, uint32_t{formats::LoadLe16(row + 2 * k)} << 16);
      }
      return;
    default:
      break;
  }
  const auto dequantize = [&]<typename F>() { DequantizeBlocks<F>(row, cols, out); };
  formats::WithSmallBlocks(type, dequantize);
  formats::WithSuperBlocks(type, dequantize);
}

}  // namespace clamma
