// SPDX-License-Identifier: MIT
// The native order's exponential, compared with exact arithmetic, and its norm and softmax,
// compared with the law of native_ops.h, bit for bit. orders_test.cc tests what is the same in all
// orders.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/native_math.h"
#include "native_fixture.h"

namespace clamma {
namespace {

using clamma_test::ExpectSameBits;
using clamma_test::Floats;
using clamma_test::kInfinity;
using clamma_test::NativeTest;
using clamma_test::Random;

INSTANTIATE_TEST_SUITE_P(Tables, NativeTest, testing::ValuesIn(clamma_test::NativeTables()),
                         clamma_test::NameOfNative);

constexpr size_t kLengths[] = {1, 2, 3, 15, 16, 17, 31, 64, 100, 172, 288, 1000, 4096};

// --- Exponential ---

double ErrorOfExp(float x) {
  const double exact = std::exp(double{x});
  return std::abs(double{ExpNative(x)} - exact) / std::ldexp(1.0, std::ilogb(exact) - 23);
}

// The largest error of all floats is 0.9013, at -59.2647.
TEST(ExpNative, StaysWithinItsBound) {
  double worst = 0;
  for (uint32_t bits = 0; bits < std::bit_cast<uint32_t>(88.0f); bits += 1009) {
    const auto x = std::bit_cast<float>(bits);
    worst = std::max(worst, ErrorOfExp(x));
    if (x <= 87.33f) worst = std::max(worst, ErrorOfExp(-x));
  }
  for (int i = -87330; i < 88000; ++i) {
    worst = std::max(worst, ErrorOfExp(static_cast<float>(i) * 1e-3f));
  }
  EXPECT_LT(worst, 0.91);
  EXPECT_GT(ErrorOfExp(-0x1.da1e0cp+5f), 0.9);
}

TEST(ExpNative, HasItsEnds) {
  EXPECT_EQ(ExpNative(0.0f), 1.0f);
  EXPECT_EQ(ExpNative(-0.0f), 1.0f);
  EXPECT_EQ(ExpNative(1e-30f), 1.0f);
  EXPECT_NEAR(ExpNative(-87.6f), std::exp(double{-87.6f}), 2e-45);
  for (const float x : {-87.69f, -88.0f, -100.0f, -1e30f, -kInfinity}) {
    EXPECT_EQ(std::bit_cast<uint32_t>(ExpNative(x)), 0u) << x;
  }
  for (const float x : {88.1f, 1e30f, kInfinity}) EXPECT_EQ(ExpNative(x), ExpNative(88.0f)) << x;
  EXPECT_LT(ExpNative(88.0f), kInfinity);
}

// Whatever its payload: the result must not be a number.
TEST(ExpNative, NaNStaysNaN) {
  for (uint32_t payload = 1; payload < 0x800000u; payload = payload * 3 / 2 + 1) {
    EXPECT_TRUE(std::isnan(ExpNative(std::bit_cast<float>(0x7f800000u | payload)))) << payload;
    EXPECT_TRUE(std::isnan(ExpNative(std::bit_cast<float>(0xff800000u | payload)))) << payload;
  }
}

// --- Laws ---

TEST_P(NativeTest, RmsNormFollowsItsLaw) {
  Random random(2);
  for (const size_t n : kLengths) {
    const Floats x = random.Normals(n, 3);
    const Floats weight = random.Normals(n);
    std::vector<float> sums(16);
    for (size_t k = 0; k < n; ++k) sums[k % 16] = std::fma(x[k], x[k], sums[k % 16]);
    for (size_t half = 8; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) sums[i] = sums[i] + sums[i + half];
    }
    const float mean = sums[0] / static_cast<float>(n);
    const float scale = 1 / std::sqrt(mean + 1e-6f);
    Floats expected(n);
    for (size_t i = 0; i < n; ++i) expected[i] = (x[i] * scale) * weight[i];
    Floats out(n);
    ops_.rmsnorm(out.data(), x.data(), weight.data(), 1, n, 1e-6f);
    ExpectSameBits(out, expected);
  }
}

TEST_P(NativeTest, SoftmaxFollowsItsLaw) {
  Random random(6);
  for (const size_t n : kLengths) {
    const Floats x = random.Normals(n, 3);
    const float largest = *std::max_element(x.begin(), x.end());
    Floats expected(n);
    std::vector<float> sums(16);
    for (size_t k = 0; k < n; ++k) {
      expected[k] = ExpNative(x[k] - largest);
      sums[k % 16] += expected[k];
    }
    for (size_t half = 8; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) sums[i] = sums[i] + sums[i + half];
    }
    const float reciprocal = 1 / sums[0];
    for (float& value : expected) value *= reciprocal;
    Floats out = x;
    ops_.softmax(out.data(), n);
    ExpectSameBits(out, expected);
  }
}

}  // namespace
}  // namespace clamma
