// SPDX-License-Identifier: MIT
#include "kernels/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace clamma {
namespace {

bool IsNaNHalf(uint32_t half) { return (half & 0x7fffu) > 0x7c00u; }

// Returns the value of a half that is not NaN, by the definition of the format.
double ValueOfHalf(uint32_t half) {
  const int exponent = static_cast<int>(half >> 10 & 31);
  const double mantissa = half & 0x3ff;
  double value = 0;
  if (exponent == 31) {
    value = std::numeric_limits<double>::infinity();
  } else if (exponent == 0) {
    value = std::ldexp(mantissa, -24);
  } else {
    value = std::ldexp(1024 + mantissa, exponent - 25);
  }
  return (half & 0x8000u) != 0 ? -value : value;
}

// Returns the half nearest to a float that is not NaN, ties to even: in whole quanta of its
// exponent.
uint16_t NearestHalf(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::abs(static_cast<double>(value));
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude == 0) return sign;
  int exponent = std::ilogb(magnitude);
  if (exponent < -14) exponent = -14;
  // std::nearbyint() rounds ties to even. 2048 quanta carry over to the next exponent, and
  // 1024 from subnormal to normal.
  const auto quanta = static_cast<int>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  const int biased = quanta < 1024 ? 0 : exponent + 15;
  return static_cast<uint16_t>(sign + (biased == 0 ? quanta : biased * 1024 + quanta - 1024));
}

TEST(Half, EveryHalfHasItsValueAsAFloat) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = HalfToFloat(static_cast<uint16_t>(half));
    if (IsNaNHalf(half)) {
      EXPECT_TRUE(std::isnan(value)) << half;
    } else {
      EXPECT_EQ(static_cast<double>(value), ValueOfHalf(half)) << half;
    }
    EXPECT_EQ(std::signbit(value), (half & 0x8000u) != 0) << half;
  }
}

TEST(Half, EveryHalfMakesTheRoundTrip) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    // NaNs keep their payload and become quiet.
    const uint32_t expected = IsNaNHalf(half) ? half | 0x200u : half;
    EXPECT_EQ(FloatToHalf(HalfToFloat(static_cast<uint16_t>(half))), expected) << half;
  }
}

void ExpectNearest(float value) {
  ASSERT_EQ(FloatToHalf(value), NearestHalf(value)) << std::hexfloat << value;
}

// Halfway between two halves, and the nearest floats on either side.
TEST(Half, RoundsAroundEveryMidpointToTheNearestAndTiesToEven) {
  for (uint32_t half = 0; half < 0x7c00; ++half) {
    const double above = half == 0x7bff ? 65536.0 : ValueOfHalf(half + 1);
    const auto middle = static_cast<float>((ValueOfHalf(half) + above) / 2);  // exact
    for (const float sign : {1.0f, -1.0f}) {
      ExpectNearest(sign * middle);
      ExpectNearest(sign * std::nextafter(middle, 0.0f));
      ExpectNearest(sign * std::nextafter(middle, 1e30f));
    }
    const uint32_t even = half % 2 == 0 ? half : half + 1;
    ASSERT_EQ(FloatToHalf(middle), even) << half;
  }
}

TEST(Half, RoundsFloatsOfAllMagnitudes) {
  for (uint64_t bits = 0; bits < 0x100000000u; bits += 1013) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (!std::isnan(value)) ExpectNearest(value);
  }
}

TEST(Half, RoundsRandomFloatsInItsRange) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000000; ++i) {
    // Exponents from below the smallest subnormal to beyond the largest half.
    const auto exponent = static_cast<uint32_t>(100 + random() % 45);
    const auto others = static_cast<uint32_t>(random() & 0x807fffffu);
    ExpectNearest(std::bit_cast<float>(others | exponent << 23));
  }
}

TEST(Half, KeepsSpecialValues) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(FloatToHalf(0.0f), 0x0000);
  EXPECT_EQ(FloatToHalf(-0.0f), 0x8000);
  EXPECT_EQ(FloatToHalf(1.0f), 0x3c00);
  EXPECT_EQ(FloatToHalf(65504.0f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65519.996f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(kInfinity), 0x7c00);
  EXPECT_EQ(FloatToHalf(-kInfinity), 0xfc00);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::max()), 0x7c00);
  EXPECT_EQ(FloatToHalf(0x1p-24f), 0x0001);
  EXPECT_EQ(FloatToHalf(0x1p-25f), 0x0000);
  EXPECT_EQ(FloatToHalf(0x1.000002p-25f), 0x0001);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::denorm_min()), 0x0000);
}

// Even if all bits of the payload that fit are 0: a NaN must not become an infinity.
TEST(Half, NaNStaysNaN) {
  for (const uint32_t bits : {0x7f800001u, 0x7fc00000u, 0xff800001u, 0xffffffffu, 0x7f801fffu}) {
    const uint16_t half = FloatToHalf(std::bit_cast<float>(bits));
    EXPECT_TRUE(IsNaNHalf(half)) << std::hex << bits;
    EXPECT_EQ(half & 0x8000u, bits >> 16 & 0x8000u) << std::hex << bits;
    EXPECT_NE(half & 0x0200u, 0u) << std::hex << bits << " is quiet";
  }
}

TEST(Half, LoadsAtAnyAlignment) {
  const uint16_t half = FloatToHalf(-1.5f);
  for (size_t offset = 0; offset < 4; ++offset) {
    uint8_t bytes[8] = {};
    std::memcpy(bytes + offset, &half, sizeof(half));
    EXPECT_EQ(LoadHalf(bytes + offset), -1.5f) << offset;
  }
}

}  // namespace
}  // namespace clamma
