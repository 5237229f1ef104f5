// SPDX-License-Identifier: MIT
// The quantisation of activations to int8, in every table that this machine can run. A table
// chooses its own layout, so their values are found from products.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernel_fixture.h"

namespace clamma {
namespace {

using clamma_test::Bytes;
using clamma_test::BytesOf;
using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::Guarded;
using clamma_test::KernelsTest;
using clamma_test::kInfinity;
using clamma_test::kNaN;
using clamma_test::Quantized;
using clamma_test::Random;

INSTANTIATE_TEST_SUITE_P(Tables, KernelsTest, testing::ValuesIn(clamma_test::AllTables()),
                         [](const auto& table) { return clamma_test::NameOf(table); });

// An int8 matrix (rows, cols) whose scales are all 1.
class Int8Matrix {
 public:
  Int8Matrix(const Guarded<int8_t>& weights, size_t cols, size_t group)
      : weights_(BytesOf(weights)), scales_(BytesOf(Floats(weights.size() / group, 1.0f))) {
    matrix_ = {.type = WeightType::kInt8Groups,
               .data = weights_.data(),
               .rows = static_cast<uint32_t>(weights.size() / cols),
               .cols = static_cast<uint32_t>(cols),
               .row_bytes = cols,
               .scales = scales_.data(),
               .group_size = static_cast<uint32_t>(group)};
  }

  // (tokens, rows)
  Floats Times(const Kernels& kernels, const Quantized& x) const {
    const Activations& activations = *x;
    Floats out(activations.n_tokens * matrix_.rows);
    kernels.matmul[matrix_.type](out.data(), matrix_.rows, activations, matrix_, 0, matrix_.rows);
    return out;
  }

 private:
  Bytes weights_;
  Bytes scales_;
  Matrix matrix_;
};

// The products are the activations themselves, each q times its scale, if all scales are finite.
Int8Matrix UnitMatrix(size_t cols, size_t group) {
  Guarded<int8_t> weights(cols * cols);
  for (size_t k = 0; k < cols; ++k) weights[k * cols + k] = 1;
  return Int8Matrix(weights, cols, group);
}

Floats Dequantized(const Kernels& kernels, const Floats& x, size_t group, size_t n_tokens = 1) {
  const size_t cols = x.size() / n_tokens;
  return UnitMatrix(cols, group)
      .Times(kernels, Quantized(kernels, x.data(), n_tokens, cols, group));
}

// Products with a few rows of random weights differ if any number of any group differs.
void ExpectBitsOfScalarTable(const Kernels& kernels, const Floats& x, size_t group,
                             size_t n_tokens = 1) {
  constexpr size_t kRows = 19;
  const size_t cols = x.size() / n_tokens;
  Random random(77);
  const Int8Matrix matrix(random.Int8s(kRows * cols), cols, group);
  const Quantized actual(kernels, x.data(), n_tokens, cols, group);
  const Quantized expected(kScalarKernels, x.data(), n_tokens, cols, group);
  ExpectSameBits(matrix.Times(kernels, actual), matrix.Times(kScalarKernels, expected));
}

TEST_P(KernelsTest, QuantizeRoundsToTheNearestStep) {
  Random random(1);
  for (const size_t group : {1u, 2u, 4u, 8u, 32u, 64u, 100u, 256u}) {
    const size_t n_groups = group < 64 ? 6 : 2;
    for (int round = 0; round < 20; ++round) {
      const Floats x = random.Normals(n_groups * group, std::exp2(random.Normal(10)));
      const Floats result = Dequantized(kernels_, x, group);
      for (size_t g = 0; g < n_groups; ++g) {
        float largest = 0;
        for (size_t k = g * group; k < (g + 1) * group; ++k) {
          largest = std::max(largest, std::abs(x[k]));
        }
        const float scale = largest / 127.0f;
        for (size_t k = g * group; k < (g + 1) * group; ++k) {
          ASSERT_EQ(result[k], std::round(x[k] / scale) * scale) << x[k] << " / " << scale;
        }
      }
    }
  }
}

TEST_P(KernelsTest, QuantizeRoundsTiesAwayFromZero) {
  const Floats x = {127,     0.5f,        1.5f,         2.5f,       -0.5f, -1.5f, -2.5f, 126.5f,
                    -126.5f, 0.49999997f, -0.49999997f, 1.4999999f, -127,  0,     -0.0f, 63};
  EXPECT_EQ(Dequantized(kernels_, x, 16),
            (Floats{127, 1, 2, 3, -1, -2, -3, 127, -127, 0, 0, 1, -127, 0, 0, 63}));
}

TEST_P(KernelsTest, QuantizeOfAZeroGroupIsZero) {
  const Floats x = {0, -0.0f, 0, 0, 1, 2, 3, 127};
  EXPECT_EQ(Dequantized(kernels_, x, 4), (Floats{0, 0, 0, 0, 1, 2, 3, 127}));
}

TEST_P(KernelsTest, QuantizeGivesTheBitsOfTheScalarTableWhateverItIsFed) {
  Random random(2);
  for (int round = 0; round < 5000; ++round) {
    for (const size_t group : {8u, 32u}) {
      ExpectBitsOfScalarTable(kernels_, random.Hostile(2 * group, round % 10 + 1), group);
    }
  }
}

// NaN becomes -127. Infinity only makes the sums of its own group NaN.
TEST_P(KernelsTest, QuantizeKeepsGroupsApart) {
  Random random(3);
  Floats x = random.Normals(24);
  const Floats before = Dequantized(kernels_, x, 8);
  x[9] = kNaN;
  const Floats after = Dequantized(kernels_, x, 8);
  for (const size_t k : {0u, 7u, 16u, 23u}) EXPECT_EQ(after[k], before[k]) << k;
  for (const size_t k : {8u, 10u, 15u}) EXPECT_LT(std::abs(after[k]), 10) << k;
  x[12] = kInfinity;
  for (const float value : Dequantized(kernels_, x, 8)) EXPECT_FALSE(std::isfinite(value));
}

TEST_P(KernelsTest, QuantizeGivesTheBitsOfTheScalarTable) {
  Random random(4);
  for (const size_t group : {1u, 4u, 7u, 8u, 16u, 20u, 32u, 64u, 96u, 128u, 256u}) {
    for (const size_t tokens : {1u, 2u, 5u, 17u}) {
      SCOPED_TRACE(group);
      ExpectBitsOfScalarTable(kernels_, random.Normals(group * 10 * tokens), group, tokens);
    }
  }
  for (int exponent = -149; exponent < 126; ++exponent) {
    SCOPED_TRACE(testing::Message() << "around 2^" << exponent);
    const Floats x = random.Normals(1024, std::exp2(static_cast<float>(exponent)));
    ExpectBitsOfScalarTable(kernels_, x, 64);
  }
}

// Batches that some table lays out in its own way; in two parts, as threads do it.
TEST_P(KernelsTest, QuantizeGivesEachTokenWhatItGetsAlone) {
  Random random(7);
  constexpr size_t kGroups = 5;
  for (const size_t group : {32u, 64u}) {
    const size_t cols = kGroups * group;
    const Int8Matrix unit = UnitMatrix(cols, group);
    for (const size_t tokens :
         {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 16u, 17u, 31u, 32u, 33u, 64u, 128u, 130u}) {
      SCOPED_TRACE(testing::Message() << tokens << " tokens, groups of " << group);
      const Floats other = random.Normals(cols * tokens);
      Floats x = other;
      Quantized all(kernels_, x.data(), tokens, cols, group);
      for (float& value : x) value = random.Normal();
      all.Quantize(0, 2);
      all.Quantize(2, kGroups);
      const Floats result = unit.Times(kernels_, all);
      for (size_t t = 0; t < tokens; ++t) {
        const Quantized one(kernels_, &x[t * cols], 1, cols, group);
        const auto begin = result.begin() + static_cast<ptrdiff_t>(t * cols);
        ExpectSameBits(Floats(begin, begin + static_cast<ptrdiff_t>(cols)),
                       unit.Times(kernels_, one));
      }
    }
  }
}

TEST_P(KernelsTest, QuantizeWritesItsGroupsOnly) {
  Random random(6);
  constexpr size_t kCols = 128;
  for (const size_t tokens : {1u, 2u, 5u, 17u}) {
    Floats x = random.Normals(tokens * kCols);
    Quantized part(kernels_, x.data(), tokens, kCols, 32);
    // Groups 1 and 2 are quantised again; the others keep the values of the old x.
    Floats mixed = x;
    for (size_t k = 0; k < x.size(); ++k) {
      x[k] = random.Normal(3);
      if (k % kCols / 32 == 1 || k % kCols / 32 == 2) mixed[k] = x[k];
    }
    part.Quantize(1, 3);
    const Quantized whole(kernels_, mixed.data(), tokens, kCols, 32);
    const Int8Matrix unit = UnitMatrix(kCols, 32);
    ExpectSameBits(unit.Times(kernels_, part), unit.Times(kernels_, whole));
  }
}

TEST_P(KernelsTest, QuantizedBytesNeverFallAsTokensGrow) {
  auto* const bytes = kernels_.quantizers[ActivationKind::kInt8Groups].bytes;
  for (const size_t group : {4u, 32u, 64u, 96u}) {
    uint64_t before = 0;
    for (size_t tokens = 0; tokens <= 140; ++tokens) {
      const uint64_t now = bytes(tokens, 3 * group, group);
      EXPECT_GE(now, before) << tokens << " tokens, groups of " << group;
      before = now;
    }
  }
}

}  // namespace
}  // namespace clamma
