// SPDX-License-Identifier: MIT
// The quantisation of activations, in every table that this machine can run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernel_fixture.h"

namespace clamma {
namespace {

using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::Guarded;
using clamma_test::KernelsTest;
using clamma_test::kInfinity;
using clamma_test::kNaN;
using clamma_test::Random;

INSTANTIATE_TEST_SUITE_P(Tables, KernelsTest, testing::ValuesIn(clamma_test::Tables()),
                         [](const auto& table) { return clamma_test::NameOf(table); });

// With one row of x the groups lie one behind the other.
struct Quantized {
  Quantized(const Kernels& kernels, const Floats& x, size_t group, size_t n_tokens = 1)
      : q(x.size()), scales(x.size() / group), offsets(scales.size()) {
    kernels.quantize(Rows(x, group, n_tokens), x.data(), 0, x.size() / n_tokens / group);
  }
  QuantizedRows Rows(const Floats& x, size_t group, size_t n_tokens) {
    return {q.data(), scales.data(), offsets.data(), n_tokens, x.size() / n_tokens, group};
  }
  Guarded<int8_t> q;
  Floats scales;
  Guarded<int32_t> offsets;
};

void ExpectSame(const Quantized& actual, const Quantized& expected) {
  EXPECT_EQ(actual.q, expected.q);
  EXPECT_EQ(actual.offsets, expected.offsets);
  ExpectSameBits(actual.scales, expected.scales);
}

TEST_P(KernelsTest, QuantizeRoundsToTheNearestStep) {
  Random random(1);
  for (const size_t group : {1u, 2u, 4u, 8u, 32u, 64u, 100u, 256u}) {
    for (int round = 0; round < 50; ++round) {
      const Floats x = random.Normals(6 * group, std::exp2(random.Normal(10)));
      const Quantized result(kernels_, x, group);
      for (size_t g = 0; g < 6; ++g) {
        float largest = 0;
        for (size_t k = g * group; k < (g + 1) * group; ++k) {
          largest = std::max(largest, std::abs(x[k]));
        }
        ASSERT_EQ(result.scales[g], largest / 127.0f);
        for (size_t k = g * group; k < (g + 1) * group; ++k) {
          ASSERT_EQ(static_cast<float>(result.q[k]), std::round(x[k] / result.scales[g]))
              << x[k] << " / " << result.scales[g];
        }
      }
    }
  }
}

TEST_P(KernelsTest, QuantizeRoundsTiesAwayFromZero) {
  const Floats x = {127,     0.5f,        1.5f,         2.5f,       -0.5f, -1.5f, -2.5f, 126.5f,
                    -126.5f, 0.49999997f, -0.49999997f, 1.4999999f, -127,  0,     -0.0f, 63};
  const Quantized result(kernels_, x, 16);
  EXPECT_EQ(result.scales[0], 1.0f);
  EXPECT_EQ(result.q,
            (Guarded<int8_t>{127, 1, 2, 3, -1, -2, -3, 127, -127, 0, 0, 1, -127, 0, 0, 63}));
}

TEST_P(KernelsTest, QuantizeOfAZeroGroupIsZero) {
  const Floats x = {0, -0.0f, 0, 0, 1, 2, 3, 4};
  const Quantized result(kernels_, x, 4);
  EXPECT_EQ(result.scales[0], 0.0f);
  EXPECT_EQ(Guarded<int8_t>(result.q.begin(), result.q.begin() + 4), Guarded<int8_t>(4));
  EXPECT_EQ(result.q[7], 127);
}

TEST_P(KernelsTest, QuantizeStaysInRangeWhateverItIsFed) {
  Random random(2);
  for (int round = 0; round < 5000; ++round) {
    for (const size_t group : {8u, 32u}) {
      const Floats x = random.Hostile(2 * group, round % 10 + 1);
      const Quantized result(kernels_, x, group);
      for (const int8_t q : result.q) ASSERT_NE(q, -128);
      ExpectSame(result, Quantized(scalar_, x, group));
    }
  }
}

// A NaN in one group leaves the others alone.
TEST_P(KernelsTest, QuantizeKeepsGroupsApart) {
  Random random(3);
  Floats x = random.Normals(24);
  const Quantized before(kernels_, x, 8);
  x[9] = kNaN;
  x[12] = kInfinity;
  const Quantized after(kernels_, x, 8);
  for (const size_t k : {0u, 7u, 16u, 23u}) EXPECT_EQ(after.q[k], before.q[k]) << k;
  EXPECT_EQ(after.scales[0], before.scales[0]);
  EXPECT_EQ(after.scales[2], before.scales[2]);
}

TEST_P(KernelsTest, QuantizeGivesTheBitsOfTheScalarTable) {
  Random random(4);
  for (const size_t group : {1u, 4u, 7u, 8u, 16u, 20u, 32u, 64u, 96u, 128u, 256u}) {
    for (const size_t tokens : {1u, 2u, 5u, 17u}) {
      const Floats x = random.Normals(group * 10 * tokens);
      SCOPED_TRACE(group);
      ExpectSame(Quantized(kernels_, x, group, tokens), Quantized(scalar_, x, group, tokens));
    }
  }
  for (int exponent = -149; exponent < 126; ++exponent) {
    SCOPED_TRACE(testing::Message() << "around 2^" << exponent);
    const Floats x = random.Normals(1024, std::exp2(static_cast<float>(exponent)));
    ExpectSame(Quantized(kernels_, x, 64), Quantized(scalar_, x, 64));
  }
}

// Such as batches have; who does not pack them gives them as they are.
TEST_P(KernelsTest, QuantizePacksTheNumbersOfTheScalarTable) {
  Random random(7);
  for (const size_t group : {32u, 64u}) {
    for (const size_t tokens :
         {2u, 3u, 4u, 5u, 7u, 8u, 9u, 16u, 17u, 31u, 32u, 33u, 64u, 128u, 130u}) {
      SCOPED_TRACE(testing::Message() << tokens << " tokens, groups of " << group);
      const Floats x = random.Normals(group * 5 * tokens);
      Quantized expected(scalar_, x, group, tokens);
      if (!Packs(kernels_, tokens, group)) {
        ExpectSame(Quantized(kernels_, x, group, tokens), expected);
        continue;
      }
      const Guarded<int8_t> packed = clamma_test::Packed(kernels_, expected.Rows(x, group, tokens));
      Quantized result(scalar_, Floats(x.size()), group, tokens);
      result.q.assign(packed.size(), -77);
      QuantizedRows rows = result.Rows(x, group, tokens);
      rows.packed = true;
      // In two parts, as threads do it.
      kernels_.quantize(rows, x.data(), 0, 2);
      kernels_.quantize(rows, x.data(), 2, 5);
      expected.q = packed;
      ExpectSame(result, expected);
    }
  }
}

TEST_P(KernelsTest, QuantizeLaysTokensSideBySideAndSumsThemUp) {
  Random random(5);
  constexpr size_t kGroup = 32;
  const Floats x = random.Normals(3 * 4 * kGroup);  // (tokens, groups, group)
  const Quantized all(kernels_, x, kGroup, 3);
  for (size_t t = 0; t < 3; ++t) {
    const auto begin = x.begin() + static_cast<ptrdiff_t>(t * 4 * kGroup);
    const Quantized one(kernels_, Floats(begin, begin + 4 * kGroup), kGroup);
    for (size_t g = 0; g < 4; ++g) {
      EXPECT_EQ(all.scales[g * 3 + t], one.scales[g]);
      int32_t sum = 0;
      for (size_t k = 0; k < kGroup; ++k) {
        EXPECT_EQ(all.q[(g * 3 + t) * kGroup + k], one.q[g * kGroup + k]);
        sum += one.q[g * kGroup + k];
      }
      EXPECT_EQ(all.offsets[g * 3 + t], -128 * sum);
    }
  }
}

TEST_P(KernelsTest, QuantizeWritesItsGroupsOnly) {
  Random random(6);
  const Floats x = random.Normals(2 * 128);
  const Quantized whole(kernels_, x, 32, 2);
  Quantized part(kernels_, Floats(x.size()), 32, 2);
  kernels_.quantize({part.q.data(), part.scales.data(), part.offsets.data(), 2, 128, 32}, x.data(),
                    1, 3);
  for (size_t i = 0; i < 4 * 2; ++i) {  // (groups, tokens)
    const bool written = i / 2 == 1 || i / 2 == 2;
    EXPECT_EQ(part.scales[i], written ? whole.scales[i] : 0);
    EXPECT_EQ(part.offsets[i], written ? whole.offsets[i] : 0);
    for (size_t k = i * 32; k < (i + 1) * 32; ++k) {
      EXPECT_EQ(part.q[k], written ? whole.q[k] : 0);
    }
  }
}

}  // namespace
}  // namespace clamma
