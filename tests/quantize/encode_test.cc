// SPDX-License-Identifier: MIT
// Values that are encoded and decoded again are close to the original.
#include "quantize/encode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/half.h"
#include "kernels/weight_types.h"

namespace clamma {
namespace {

constexpr size_t kCols = 512;

struct TypeCase {
  WeightType type;
  double gauss;  // the largest allowed relative error of normally distributed values
};
constexpr TypeCase kTypes[] = {
    {WeightType::kF32, 0},       {WeightType::kF16, 0.0003},  {WeightType::kBF16, 0.002},
    {WeightType::kQ8_0, 0.0053}, {WeightType::kQ4_0, 0.083},  {WeightType::kQ4_1, 0.071},
    {WeightType::kQ5_0, 0.0415}, {WeightType::kQ5_1, 0.0345}, {WeightType::kIQ4_NL, 0.0755},
    {WeightType::kQ4_K, 0.0715}, {WeightType::kQ5_K, 0.0355}, {WeightType::kQ6_K, 0.0175},
};

class EncodeTest : public testing::TestWithParam<TypeCase> {
 protected:
  WeightType type() const { return GetParam().type; }
  bool has_blocks() const { return FactsOf(type()).block_cols > 1; }

  // Returns decode(encode(x)). The bytes go to *bytes.
  std::vector<float> Again(const std::vector<float>& x, const std::vector<float>& importance = {},
                           std::vector<uint8_t>* bytes = nullptr) const {
    std::vector<uint8_t> out(RowBytes(type(), x.size()), 0xa5);
    EXPECT_EQ(EncodeRow(type(), x.data(), importance.empty() ? nullptr : importance.data(),
                        x.size(), out.data()),
              EncodeResult::kOk);
    std::vector<float> again(x.size());
    DequantizeRow(type(), out.data(), x.size(), again.data());
    if (bytes != nullptr) *bytes = out;
    return again;
  }

  EncodeResult ResultOf(const std::vector<float>& x) const {
    std::vector<uint8_t> out(RowBytes(type(), x.size()));
    return EncodeRow(type(), x.data(), nullptr, x.size(), out.data());
  }
};

// The same bits with every standard library: sums of 12 uniform numbers are nearly normal.
std::vector<float> Normal(size_t n, uint32_t seed, float middle = 0) {
  std::mt19937 random(seed);
  std::vector<float> x(n);
  for (float& value : x) {
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<float>(random() >> 8) / 16777216.0f;
    value = middle + sum;
  }
  return x;
}

double Error(const std::vector<float>& x, const std::vector<float>& y,
             const std::vector<float>& weights = {}) {
  double error = 0;
  double square = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double w = weights.empty() ? 1.0 : static_cast<double>(weights[i]);
    const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    error += w * difference * difference;
    square += w * static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return std::sqrt(error / square);
}

TEST_P(EncodeTest, NormalValuesKeepTheirErrorWithinTheTypesBound) {
  const std::vector<float> x = Normal(64 * kCols, 1);
  EXPECT_LE(Error(x, Again(x)), GetParam().gauss);
}

TEST_P(EncodeTest, TheScaleOfTheValuesDoesNotMatter) {
  const std::vector<float> x = Normal(8 * kCols, 2);
  const double error = Error(x, Again(x));
  for (const float scale : {0x1p-6f, 0x1p6f}) {
    std::vector<float> scaled = x;
    for (float& value : scaled) value *= scale;
    EXPECT_NEAR(Error(scaled, Again(scaled)), error, 0.02 * error + 1e-12) << "scale " << scale;
  }
}

TEST_P(EncodeTest, ZerosStayZeros) {
  for (const float zero : {0.0f, -0.0f, 1e-30f, -1e-40f}) {
    const bool exact = type() == WeightType::kF32 || type() == WeightType::kBF16;
    if (exact && zero != 0) continue;
    for (const float value : Again(std::vector<float>(kCols, zero))) {
      ASSERT_EQ(value, 0.0f) << "of " << zero;
    }
  }
}

TEST_P(EncodeTest, EqualValuesStayNearlyEqual) {
  for (const float value : {1.0f, -3.0f, 0.001f, 1000.0f}) {
    const std::vector<float> x(kCols, value);
    EXPECT_LE(Error(x, Again(x)), 0.004) << "of " << value;
  }
}

TEST_P(EncodeTest, OneLargeValueAmongZerosStaysThere) {
  std::vector<float> x(kCols, 0.0f);
  x[77] = -5.0f;
  const std::vector<float> again = Again(x);
  // IQ4_NL has no 0.
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(again[i], x[i], 0.04) << "column " << i;
}

TEST_P(EncodeTest, WhatIsNotFiniteIsRefusedWhereverItStands) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (const size_t at : {size_t{0}, size_t{31}, kCols / 2 + 3, kCols - 1}) {
      std::vector<float> x = Normal(kCols, 3);
      x[at] = bad;
      EXPECT_EQ(ResultOf(x), EncodeResult::kNotFinite) << bad << " in column " << at;
    }
  }
}

TEST_P(EncodeTest, WhatIsTooLargeIsRefusedAndNotMadeInfinite) {
  std::vector<float> x = Normal(kCols, 4);
  x[100] = 3e38f;
  const bool fits = type() == WeightType::kF32 || type() == WeightType::kBF16;
  EXPECT_EQ(ResultOf(x), fits ? EncodeResult::kOk : EncodeResult::kTooLarge);
  x[100] = -1e9f;
  EXPECT_EQ(ResultOf(x), fits ? EncodeResult::kOk : EncodeResult::kTooLarge);
}

TEST_P(EncodeTest, ImportanceLowersTheWeightedError) {
  const std::vector<float> x = Normal(16 * kCols, 5);
  std::vector<float> importance = Normal(16 * kCols, 6);
  for (float& w : importance) w = w * w * w * w;
  const double plain = Error(x, Again(x), importance);
  const double weighted = Error(x, Again(x, importance), importance);
  if (has_blocks()) {
    EXPECT_LT(weighted, 0.95 * plain);
  } else {
    EXPECT_EQ(weighted, plain);  // there is no scale to choose
  }
  // Only the ratios of weights matter.
  std::vector<uint8_t> one;
  std::vector<uint8_t> other;
  Again(x, importance, &one);
  for (float& w : importance) w *= 0x1p20f;
  Again(x, importance, &other);
  EXPECT_EQ(one, other);
}

TEST_P(EncodeTest, ImportanceOfZeroIsLikeNone) {
  const std::vector<float> x = Normal(kCols, 7);
  std::vector<uint8_t> none;
  std::vector<uint8_t> zero;
  Again(x, {}, &none);
  Again(x, std::vector<float>(kCols, 0.0f), &zero);
  EXPECT_EQ(none, zero);
}

TEST_P(EncodeTest, BlocksDoNotDependOnEachOther) {
  const std::vector<float> x = Normal(4 * kCols, 8);
  std::vector<uint8_t> all;
  Again(x, {}, &all);
  std::vector<uint8_t> parts;
  for (size_t at = 0; at < x.size(); at += 256) {
    std::vector<uint8_t> part;
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(at);
    Again(std::vector<float>(begin, begin + 256), {}, &part);
    parts.insert(parts.end(), part.begin(), part.end());
  }
  EXPECT_EQ(all, parts);
}

// Values that a block can represent, where every group contains its smallest and its largest
// number.
TEST_P(EncodeTest, ValuesThatTheTypeHasAreExact) {
  std::vector<float> x(kCols);
  for (size_t i = 0; i < kCols; ++i) {
    const auto k = static_cast<int>(i * 7 % 32);
    switch (type()) {
      case WeightType::kQ8_0:
        x[i] = 0.5f * static_cast<float>(k == 0 ? -127 : k == 1 ? 127 : 5 * k - 80);
        break;
      case WeightType::kQ4_0:
        x[i] = 0.25f * static_cast<float>(k / 2 - 8);
        break;
      case WeightType::kQ5_0:
        x[i] = 0.25f * static_cast<float>(k - 16);
        break;
      case WeightType::kQ4_1:
        x[i] = 0.25f * static_cast<float>(k / 2) - 1.5f;
        break;
      case WeightType::kQ5_1:
        x[i] = 0.25f * static_cast<float>(k) + 3.0f;
        break;
      case WeightType::kIQ4_NL: {
        constexpr int kTable[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};
        x[i] = 0.125f * static_cast<float>(kTable[k / 2]);
        break;
      }
      case WeightType::kQ4_K:
        x[i] = 0.125f * 63 * static_cast<float>(k / 2) - 0.5f * 63;
        break;
      case WeightType::kQ5_K:
        x[i] = 0.125f * 63 * static_cast<float>(k) - 0.5f * 63;
        break;
      case WeightType::kQ6_K: {
        const auto j = static_cast<int>(i % 16);
        x[i] = 0.25f * static_cast<float>(j == 0 ? -32 : j == 1 ? 31 : 4 * j - 32);
        break;
      }
      default:
        x[i] = 0.25f * static_cast<float>(k - 16);
    }
  }
  const std::vector<float> again = Again(x);
  for (size_t i = 0; i < kCols; ++i) ASSERT_EQ(again[i], x[i]) << "column " << i;
}

// Returns the sum of w (x - decoded x)^2, where w is 1, or the sum of the value's square and its
// block's mean square.
double WeightedError(const std::vector<float>& x, const std::vector<float>& again, bool by_size) {
  double error = 0;
  for (size_t block = 0; block < x.size(); block += 32) {
    double squares = 0;
    for (size_t i = block; i < block + 32; ++i) squares += double{x[i]} * x[i];
    for (size_t i = block; i < block + 32; ++i) {
      const double weight = by_size ? squares / 32 + double{x[i]} * x[i] : 1.0;
      error += weight * (double{x[i]} - again[i]) * (double{x[i]} - again[i]);
    }
  }
  return error;
}

class EncodeByMagnitudeTest : public testing::TestWithParam<WeightType> {};

TEST_P(EncodeByMagnitudeTest, WithoutImportanceLargeValuesCountMore) {
  constexpr size_t kMany = 64 * kCols;
  const std::vector<float> x = Normal(kMany, 5);
  const std::vector<float> even(kMany, 1.0f);
  const auto again = [&](const float* importance) {
    std::vector<uint8_t> out(RowBytes(GetParam(), kMany));
    EXPECT_EQ(EncodeRow(GetParam(), x.data(), importance, kMany, out.data()), EncodeResult::kOk);
    std::vector<float> decoded(kMany);
    DequantizeRow(GetParam(), out.data(), kMany, decoded.data());
    return decoded;
  };
  const std::vector<float> by_size = again(nullptr);
  const std::vector<float> alike = again(even.data());
  EXPECT_LT(WeightedError(x, by_size, true), WeightedError(x, alike, true));
  EXPECT_LT(WeightedError(x, alike, false), WeightedError(x, by_size, false));
}

INSTANTIATE_TEST_SUITE_P(Types, EncodeByMagnitudeTest,
                         testing::Values(WeightType::kQ8_0, WeightType::kIQ4_NL),
                         [](const auto& test) { return std::string(FactsOf(test.param).name); });

INSTANTIATE_TEST_SUITE_P(Types, EncodeTest, testing::ValuesIn(kTypes), [](const auto& test) {
  return std::string(FactsOf(test.param.type).name);
});

TEST(EncodeFloatsTest, RoundToTheNearestTiesToEven) {
  const struct {
    float value;
    uint16_t half;
    uint16_t bfloat16;
  } cases[] = {
      {1.0f, 0x3c00, 0x3f80},       {-2.5f, 0xc100, 0xc020},     {0x1.002p0f, 0x3c00, 0x3f80},
      {0x1.006p0f, 0x3c02, 0x3f80}, {0x1.01p0f, 0x3c04, 0x3f80}, {0x1.03p0f, 0x3c0c, 0x3f82},
      {65504.0f, 0x7bff, 0x4780},   {0x1p-24f, 0x0001, 0x3380},  {-0.0f, 0x8000, 0x8000}};
  for (const auto& c : cases) {
    uint8_t bytes[2];
    ASSERT_EQ(EncodeRow(WeightType::kF16, &c.value, nullptr, 1, bytes), EncodeResult::kOk);
    EXPECT_EQ(bytes[0] | bytes[1] << 8, c.half) << c.value;
    ASSERT_EQ(EncodeRow(WeightType::kBF16, &c.value, nullptr, 1, bytes), EncodeResult::kOk);
    EXPECT_EQ(bytes[0] | bytes[1] << 8, c.bfloat16) << c.value;
  }
}

// Files are equal on every machine, whatever the compiler.
TEST(EncodeFloatsTest, TheBytesAreThoseOfEveryMachine) {
  const struct {
    WeightType type;
    uint64_t hash;
  } cases[] = {{WeightType::kF16, 0x4f015a2ef3e239e9u},  {WeightType::kBF16, 0xc74e734c1dc9de81u},
               {WeightType::kQ8_0, 0xf0c125200dc02610u}, {WeightType::kQ4_0, 0xb8f7147cc879e115u},
               {WeightType::kQ4_1, 0xdb559c28466a19cbu}, {WeightType::kQ5_0, 0x05e9babd10963a29u},
               {WeightType::kQ5_1, 0xbd2640ea7d62ccfeu}, {WeightType::kIQ4_NL, 0x7a120f480deeef49u},
               {WeightType::kQ4_K, 0x0df88c1fbbb4447cu}, {WeightType::kQ5_K, 0x2fba4306ce9a35d5u},
               {WeightType::kQ6_K, 0x24e946b9a034845eu}};
  std::vector<float> x = Normal(16 * kCols, 9);
  std::vector<float> importance = Normal(16 * kCols, 10);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] *= i < x.size() / 2 ? 0.02f : 1e-5f;
    importance[i] *= importance[i];
  }
  for (const auto& c : cases) {
    std::vector<uint8_t> bytes(RowBytes(c.type, x.size()));
    uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
    for (const bool weighted : {false, true}) {
      const float* weights = weighted ? importance.data() : nullptr;
      ASSERT_EQ(EncodeRow(c.type, x.data(), weights, x.size(), bytes.data()), EncodeResult::kOk);
      for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
    }
    EXPECT_EQ(hash, c.hash) << FactsOf(c.type).name << ": " << std::hex << hash;
  }
}

TEST(EncodeFloatsTest, TypesThatCannotBeWrittenAreKnown) {
  EXPECT_FALSE(CanEncode(WeightType::kMXFP4));
  EXPECT_FALSE(CanEncode(WeightType::kInt8Groups));
  for (const TypeCase& c : kTypes) EXPECT_TRUE(CanEncode(c.type)) << FactsOf(c.type).name;
}

}  // namespace
}  // namespace clamma
