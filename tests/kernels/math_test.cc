// SPDX-License-Identifier: MIT
#include "kernels/math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace clamma {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Returns |value - exact| in units of the last place of a float at `exact`.
double ErrorInUlps(float value, double exact) {
  const int exponent = exact == 0 ? -126 : std::max(std::ilogb(exact), -126);
  return std::abs(static_cast<double>(value) - exact) / std::ldexp(1.0, exponent - 23);
}

float FromBits(uint32_t bits) { return std::bit_cast<float>(bits); }

class ExpSweep {
 public:
  void Check(float x) {
    const double error = ErrorInUlps(Exp(x), std::exp(static_cast<double>(x)));
    if (!(error <= worst_)) {
      worst_ = error;
      worst_at_ = x;
    }
  }
  void Expect() const {
    EXPECT_LT(worst_, 0.502) << "exp(" << worst_at_ << ") = " << Exp(worst_at_);
  }

 private:
  double worst_ = 0;
  float worst_at_ = 0;
};

TEST(Exp, StaysWithinItsBoundForFloatsOfAllMagnitudes) {
  ExpSweep sweep;
  for (uint32_t magnitude = 0; FromBits(magnitude) < 88.72f; magnitude += 769) {
    sweep.Check(FromBits(magnitude));
    sweep.Check(-FromBits(magnitude));
  }
  sweep.Expect();
}

TEST(Exp, StaysWithinItsBoundOnAnEvenGrid) {
  ExpSweep sweep;
  for (int i = -103000; i <= 88700; ++i) sweep.Check(static_cast<float>(i) * 1e-3f);
  for (int i = -200000; i <= 200000; ++i) sweep.Check(static_cast<float>(i) * 1e-5f);
  sweep.Expect();
}

// Around odd multiples of ln 2 / 64 and of ln 2 / 2, where the range is reduced by another power.
TEST(Exp, StaysWithinItsBoundWhereTheReductionChanges) {
  ExpSweep sweep;
  for (int n = -4800; n <= 4094; ++n) {
    auto x = static_cast<float>((n + 0.5) / 32 * 0.69314718055994530942);
    for (int i = 0; i < 10; ++i) x = std::nextafter(x, -kInfinity);
    for (int i = 0; i < 20; ++i, x = std::nextafter(x, kInfinity)) sweep.Check(x);
  }
  sweep.Expect();
}

TEST(Exp, ReachesZeroAndInfinity) {
  EXPECT_EQ(Exp(0.0f), 1.0f);
  EXPECT_EQ(Exp(-0.0f), 1.0f);
  EXPECT_EQ(Exp(1e-30f), 1.0f);
  EXPECT_EQ(Exp(-1e-45f), 1.0f);
  EXPECT_LT(Exp(88.722f), kInfinity);
  EXPECT_GT(Exp(-103.9f), 0.0f);
  for (const float x : {88.73f, 89.0f, 100.0f, 1e10f, std::numeric_limits<float>::max()}) {
    EXPECT_EQ(Exp(x), kInfinity) << x;
    EXPECT_EQ(Exp(-1.2f * x), 0.0f) << -1.2f * x;
  }
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Exp(-kInfinity), 0.0f);
  EXPECT_EQ(Exp(std::numeric_limits<float>::lowest()), 0.0f);
}

TEST(Exp, OfWhatIsNoNumberIsZero) {
  EXPECT_EQ(Exp(kNaN), 0.0f);
  EXPECT_EQ(Exp(-kNaN), 0.0f);
  EXPECT_FALSE(std::signbit(Exp(kNaN)));
}

TEST(Fma, RoundsOnceForRandomBits) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000000; ++i) {
    const float a = FromBits(random());
    const float b = FromBits(random());
    const float c = FromBits(random());
    const float expected = std::fma(a, b, c);
    const float actual = Fma(a, b, c);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(actual)) << a << " * " << b << " + " << c;
    } else {
      ASSERT_EQ(actual, expected) << a << " * " << b << " + " << c;
    }
  }
}

// The addend's magnitude is close to the product's, or so small that it only decides the rounding.
TEST(Fma, RoundsOnceWhereTheAddendDecides) {
  std::mt19937 random(2);
  const auto draw = [&random](int exponents) {
    const uint32_t bits = random();
    const uint32_t exponent = 127 - static_cast<uint32_t>(exponents) / 2 +
                              (bits >> 8) % static_cast<uint32_t>(exponents + 1);
    // Few significant bits make ties frequent.
    const uint32_t mantissa = (random() << 11 >> (random() % 12) << (random() % 12)) & 0x7fffff;
    return FromBits((bits & 0x80000000u) | exponent << 23 | mantissa);
  };
  for (int i = 0; i < 1000000; ++i) {
    const float a = draw(4);
    const float b = draw(4);
    const float c = draw(120);
    ASSERT_EQ(Fma(a, b, c), std::fma(a, b, c)) << std::hexfloat << a << " * " << b << " + " << c;
  }
}

TEST(Fma, RoundsOnceInTheSubnormalRange) {
  std::mt19937 random(3);
  for (int i = 0; i < 300000; ++i) {
    const float a = FromBits(0x20000000u + random() % 0x01000000u);
    const float b = FromBits(0x1f000000u + random() % 0x02000000u);
    const float c = FromBits((random() & 0x80000000u) | random() % 0x01000000u);
    ASSERT_EQ(Fma(a, b, c), std::fma(a, b, c)) << std::hexfloat << a << " * " << b << " + " << c;
  }
}

TEST(Fma, CarriesInfinitiesAndNaN) {
  EXPECT_EQ(Fma(kInfinity, 1, 1), kInfinity);
  EXPECT_EQ(Fma(1, 1, -kInfinity), -kInfinity);
  EXPECT_EQ(Fma(3e38f, 2, -kInfinity), -kInfinity);
  EXPECT_EQ(Fma(3e38f, 2, -3e38f), 3e38f);
  EXPECT_EQ(Fma(3e38f, 2, 0), kInfinity);
  EXPECT_TRUE(std::isnan(Fma(kInfinity, 0, 1)));
  EXPECT_TRUE(std::isnan(Fma(kInfinity, 1, -kInfinity)));
  EXPECT_TRUE(std::isnan(Fma(1, 1, kNaN)));
}

// Halves the list repeatedly: s[i] += s[i + n / 2].
float ReduceByHalves(std::vector<float> sums) {
  while (sums.size() > 1) {
    const size_t half = sums.size() / 2;
    for (size_t i = 0; i < half; ++i) sums[i] = sums[i] + sums[i + half];
    sums.resize(half);
  }
  return sums[0];
}

TEST(Reduce16, JoinsByHalves) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  bool order_matters = false;
  for (int i = 0; i < 1000; ++i) {
    std::vector<float> sums(16);
    float in_order = 0;
    for (float& sum : sums) in_order += sum = normal(random) * std::exp2(8 * normal(random));
    std::vector<float> scratch = sums;
    const float expected = ReduceByHalves(sums);
    ASSERT_EQ(Reduce16(scratch.data()), expected);
    order_matters = order_matters || expected != in_order;
  }
  EXPECT_TRUE(order_matters);
}

TEST(Reduce16, PairsAnElementWithTheOneEightFurther) {
  // Added to 2^30, 1 is lost; so 2^30 and -2^30 must be added first, as partners are.
  float sums[16] = {0x1p30f, 1, 0, 0, 0, 0, 0, 0, -0x1p30f};
  EXPECT_EQ(Reduce16(sums), 1.0f);
  float next[16] = {0x1p30f, 1, 0, 0, 0, 0, 0, 0, 0, -0x1p30f};
  EXPECT_EQ(Reduce16(next), 0.0f);
}

class SinCosSweep {
 public:
  void Check(float x) {
    float sine = 0;
    float cosine = 0;
    SinCos(x, &sine, &cosine);
    Note(sine, std::sin(static_cast<double>(x)), x);
    Note(cosine, std::cos(static_cast<double>(x)), x);
  }
  void Expect() const { EXPECT_LT(worst_, 0.561) << "x = " << std::hexfloat << worst_at_; }

 private:
  void Note(float value, double exact, float x) {
    const double error = ErrorInUlps(value, exact);
    if (!(error <= worst_)) {
      worst_ = error;
      worst_at_ = x;
    }
  }

  double worst_ = 0;
  float worst_at_ = 0;
};

TEST(SinCos, StaysWithinItsBoundForWholePositions) {
  SinCosSweep sweep;
  for (int position = 0; position < 100000; ++position) sweep.Check(static_cast<float>(position));
  for (int position = 0; position <= 1 << 24; position += 17) {
    sweep.Check(static_cast<float>(position));
  }
  sweep.Check(0x1p24f);
  sweep.Expect();
}

TEST(SinCos, StaysWithinItsBoundForAnglesOfAllMagnitudes) {
  SinCosSweep sweep;
  for (uint32_t magnitude = 0; FromBits(magnitude) <= 0x1p24f; magnitude += 1511) {
    sweep.Check(FromBits(magnitude));
    sweep.Check(-FromBits(magnitude));
  }
  sweep.Expect();
}

TEST(SinCos, StaysWithinItsBoundAroundMultiplesOfQuarterPi) {
  SinCosSweep sweep;
  std::mt19937 random(5);
  for (int i = 0; i < 30000; ++i) {
    const double n = i < 1000 ? i : random() % 21000000u;
    float x = static_cast<float>(n * 0.78539816339744830962);
    x = std::nextafter(std::nextafter(x, 0.0f), 0.0f);
    for (int step = 0; step < 5 && x <= 0x1p24f; ++step, x = std::nextafter(x, kInfinity)) {
      sweep.Check(x);
    }
  }
  sweep.Expect();
}

TEST(SinCos, IsExactAtZero) {
  float sine = 9;
  float cosine = 9;
  SinCos(0, &sine, &cosine);
  EXPECT_EQ(sine, 0.0f);
  EXPECT_EQ(cosine, 1.0f);
}

TEST(ExpDouble, StaysWithinItsBound) {
  std::mt19937_64 random(6);
  std::uniform_real_distribution<double> wide(-700, 700);
  std::uniform_real_distribution<double> narrow(-1, 1);
  const auto check = [](double x) {
    const long double exact = std::exp(static_cast<long double>(x));
    ASSERT_LT(std::abs((ExpDouble(x) - exact) / exact), 1e-14L) << x;
  };
  for (int i = 0; i < 200000; ++i) {
    check(wide(random));
    check(narrow(random));
  }
  for (const double x : {-700.0, 700.0, 1e-300, -1e-300}) check(x);
  EXPECT_EQ(ExpDouble(0), 1.0);
}

TEST(LogDouble, StaysWithinItsBound) {
  std::mt19937_64 random(7);
  const auto check = [](double x) {
    const long double exact = std::log(static_cast<long double>(x));
    const long double error = std::abs(LogDouble(x) - exact);
    ASSERT_LE(error, 1e-14L * std::abs(exact)) << std::hexfloat << x;
  };
  for (int i = 0; i < 200000; ++i) {
    const double any = std::bit_cast<double>(random() >> 1);  // all magnitudes, subnormals too
    if (std::isfinite(any) && any > 0) check(any);
    check(std::ldexp(1.0 + static_cast<double>(random() >> 12) * 0x1p-52,
                     static_cast<int>(random() % 5) - 3));  // around 1
    check(1.0 + std::ldexp(static_cast<double>(random() % 2000) - 1000.0, -50));
  }
  for (const double x : {1.4142135623730951, 0.7071067811865476, 10000.0, 500000.0,
                         std::numeric_limits<double>::max(), std::numeric_limits<double>::min(),
                         std::numeric_limits<double>::denorm_min()}) {
    check(x);
  }
  EXPECT_EQ(LogDouble(1), 0.0);
}

TEST(LoadF32, ReadsAtAnyAlignment) {
  for (size_t offset = 0; offset < 8; ++offset) {
    uint8_t bytes[16] = {};
    const float value = 123.456f;
    std::memcpy(bytes + offset, &value, sizeof(value));
    EXPECT_EQ(LoadF32(bytes + offset), value) << offset;
  }
}

}  // namespace
}  // namespace clamma
