// SPDX-License-Identifier: MIT
// Norm, softmax, gate and exponential of the native order: against exact arithmetic, against their
// law, and every table against the scalar one, bit for bit.
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
using clamma_test::kNaN;
using clamma_test::kRounding;
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

// Of all floats the largest error is 0.9013, at -59.2647.
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

// Whatever its payload: what is made of its bits must not become a number.
TEST(ExpNative, NaNStaysNaN) {
  for (uint32_t payload = 1; payload < 0x800000u; payload = payload * 3 / 2 + 1) {
    EXPECT_TRUE(std::isnan(ExpNative(std::bit_cast<float>(0x7f800000u | payload)))) << payload;
    EXPECT_TRUE(std::isnan(ExpNative(std::bit_cast<float>(0xff800000u | payload)))) << payload;
  }
}

// By way of the gate and of softmax.
TEST_P(NativeTest, ExpHasTheBitsOfTheScalarTable) {
  Floats x;
  for (uint32_t bits = 0; bits < 0x7f900000u; bits += 40961)
    x.push_back(std::bit_cast<float>(bits));
  for (const float edge : {87.3f, 87.336f, 87.68f, 88.0f, 103.0f}) {
    for (int step = -100; step <= 100; ++step) {
      const auto bits = static_cast<int32_t>(std::bit_cast<uint32_t>(edge)) + step;
      x.push_back(std::bit_cast<float>(bits));
    }
  }
  const size_t n = x.size();
  for (size_t i = 0; i < n; ++i) x.push_back(-x[i]);
  const Floats ones(x.size(), 1);
  Floats out = x;
  Floats scalar = x;
  ops_.glu[GluType::kSilu](out.data(), ones.data(), x.size());
  scalar_.glu[GluType::kSilu](scalar.data(), ones.data(), x.size());
  ExpectSameBits(out, scalar);
  out = scalar = x;
  ops_.softmax(out.data() + n, n);
  scalar_.softmax(scalar.data() + n, n);
  ExpectSameBits(out, scalar);
}

// --- Norm ---

TEST_P(NativeTest, RmsNormDividesByTheRootOfTheMeanSquare) {
  Random random(1);
  for (const size_t n : kLengths) {
    const Floats x = random.Normals(n, 3);
    const Floats weight = random.Normals(n);
    Floats out(n);
    ops_.rmsnorm(out.data(), x.data(), weight.data(), 1, n, 1e-5f);
    double squares = 0;
    for (const float value : x) squares += double{value} * double{value};
    const double root = std::sqrt(squares / static_cast<double>(n) + double{1e-5f});
    for (size_t i = 0; i < n; ++i) {
      const double exact = double{weight[i]} * double{x[i]} / root;
      const double bound = kRounding * (static_cast<double>(n) / 32 + 10) * std::abs(exact);
      ASSERT_NEAR(double{out[i]}, exact, bound) << i << " of " << n;
    }
    Floats same = x;  // in place
    ops_.rmsnorm(same.data(), same.data(), weight.data(), 1, n, 1e-5f);
    ExpectSameBits(same, out);
  }
}

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

TEST_P(NativeTest, RmsNormOfARowDoesNotDependOnTheOthers) {
  Random random(3);
  constexpr size_t kColumns = 100;
  const Floats weight = random.Normals(kColumns);
  for (size_t n_rows = 0; n_rows <= 9; ++n_rows) {
    const Floats x = random.Normals(n_rows * kColumns);
    Floats out(x.size());
    ops_.rmsnorm(out.data(), x.data(), weight.data(), n_rows, kColumns, 1e-5f);
    Floats alone(x.size());
    for (size_t r = 0; r < n_rows; ++r) {
      scalar_.rmsnorm(&alone[r * kColumns], &x[r * kColumns], weight.data(), 1, kColumns, 1e-5f);
    }
    ExpectSameBits(out, alone);
  }
}

TEST_P(NativeTest, RmsNormOfZerosIsZero) {
  const Floats weight(20, 2);
  Floats x(20);
  ops_.rmsnorm(x.data(), x.data(), weight.data(), 1, 20, 1e-5f);
  EXPECT_EQ(x, Floats(20));
}

// --- Gate ---

TEST_P(NativeTest, SwiGluGatesByTheSigmoid) {
  Random random(4);
  for (const size_t n : kLengths) {
    const Floats gate = random.Normals(n, 8);
    const Floats up = random.Normals(n);
    Floats out = gate;
    ops_.glu[GluType::kSilu](out.data(), up.data(), n);
    for (size_t i = 0; i < n; ++i) {
      const double g = double{gate[i]};
      const double exact = g / (1 + std::exp(-g)) * double{up[i]};
      ASSERT_NEAR(double{out[i]}, exact, 8 * kRounding * std::abs(exact)) << gate[i];
    }
  }
}

TEST_P(NativeTest, SwiGluIsOffFarBelowZeroAndOnFarAbove) {
  Floats gate = {-80, -90, -100, -200, -1000, -3e38f, 0, -0.0f, 100, 1000, 1e10f};
  const Floats x = gate;
  const Floats up(gate.size(), 1);
  ops_.glu[GluType::kSilu](gate.data(), up.data(), gate.size());
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(gate[i], 0, 1e-30) << x[i];
  for (size_t i = 8; i < x.size(); ++i) EXPECT_EQ(gate[i], x[i]);
}

// --- Softmax ---

TEST_P(NativeTest, SoftmaxGivesProbabilities) {
  Random random(5);
  for (const size_t n : {1u, 2u, 3u, 15u, 16u, 17u, 100u, 512u, 32000u}) {
    for (const float deviation : {0.1f, 1.0f, 30.0f}) {
      SCOPED_TRACE(testing::Message() << n << " of " << deviation);
      const Floats x = random.Normals(n, deviation);
      Floats out = x;
      ops_.softmax(out.data(), n);
      const double largest = double{*std::max_element(x.begin(), x.end())};
      double total = 0;
      for (const float value : x) total += std::exp(double{value} - largest);
      for (size_t i = 0; i < n; ++i) {
        const double exact = std::exp(double{x[i]} - largest) / total;
        // The difference to the largest is rounded, too, and exp() makes that relative.
        const double relative = kRounding * (static_cast<double>(n) / 32 + 12 + 10 * deviation);
        ASSERT_NEAR(double{out[i]}, exact, relative * exact + 1e-37) << x[i];
      }
    }
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

TEST_P(NativeTest, SoftmaxOfEqualsIsEven) {
  for (const float value : {0.0f, 1e30f, -1e30f, 3.4e38f}) {
    Floats x(8, value);
    ops_.softmax(x.data(), x.size());
    EXPECT_EQ(x, Floats(8, 0.125f)) << value;
  }
}

TEST_P(NativeTest, SoftmaxOfWhatIsNoNumberIsZero) {
  Floats x = {kNaN, 1, -kInfinity, 1, -kNaN, kNaN, -1000};
  ops_.softmax(x.data(), x.size());
  EXPECT_EQ(x, (Floats{0, 0.5f, 0, 0.5f, 0, 0, 0}));
}

// --- All ---

// Of lengths around the sizes of vector registers.
TEST_P(NativeTest, ActivationsHaveTheBitsOfTheScalarTableWhateverTheyAre) {
  Random random(7);
  for (size_t n = 1; n <= 70; ++n) {
    for (const size_t one_in : {1u, 4u, 1000u}) {
      SCOPED_TRACE(testing::Message() << n << ", one hostile in " << one_in);
      const Floats x = random.Hostile(n, one_in);
      const Floats y = random.Hostile(n, one_in);
      const auto same = [&](const auto& run) {
        Floats out = x;
        run(ops_, out);
        Floats scalar = x;
        run(scalar_, scalar);
        ExpectSameBits(out, scalar);
      };
      same([&](const OrderKernels& ops, Floats& out) {
        ops.rmsnorm(out.data(), x.data(), y.data(), 1, n, 0);
      });
      same([&](const OrderKernels& ops, Floats& out) {
        ops.glu[GluType::kSilu](out.data(), y.data(), n);
      });
      same([&](const OrderKernels& ops, Floats& out) { ops.softmax(out.data(), n); });
    }
  }
}

}  // namespace
}  // namespace clamma
