// SPDX-License-Identifier: MIT
// Conversion between floats and text, compared with the C library's, which is exact, too.
#include "chat/template/decimal.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace {

std::string Repr(double value) {
  char text[clamma::kMaxReprBytes];
  return {text, clamma::ReprDouble(value, text)};
}

std::string Fixed(double value, unsigned precision) {
  char text[clamma::kMaxFixedBytes];
  return {text, clamma::FixedDouble(value, precision, text)};
}

double FromBits(uint64_t bits) {
  double value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

TEST(DecimalTest, ReprIsPythons) {
  EXPECT_EQ("0.1", Repr(0.1));
  EXPECT_EQ("-0.0", Repr(-0.0));
  EXPECT_EQ("1e+16", Repr(1e16));
  EXPECT_EQ("9999999999999998.0", Repr(9999999999999998.0));
  EXPECT_EQ("0.0001", Repr(1e-4));
  EXPECT_EQ("1e-05", Repr(1e-5));
  EXPECT_EQ("5e-324", Repr(5e-324));
  EXPECT_EQ("1.7976931348623157e+308", Repr(1.7976931348623157e308));
  EXPECT_EQ("2.2250738585072014e-308", Repr(2.2250738585072014e-308));
  EXPECT_EQ("9007199254740992.0", Repr(9007199254740992.0));
  EXPECT_EQ("5e-324", Repr(4.9e-324));
  EXPECT_EQ("inf", Repr(INFINITY));
}

TEST(DecimalTest, RandomValuesReadBackFromTheFewestDigits) {
  std::mt19937_64 random(20261130);
  for (int i = 0; i < 20000; ++i) {
    uint64_t bits = random();
    if (i % 4 == 0) bits &= 0x800fffffffffffffu;  // subnormal
    if (i % 4 == 1) bits &= 0xfff0000000000000u;  // a power of two
    const double value = FromBits(bits);
    if (!std::isfinite(value)) continue;
    const std::string repr = Repr(value);
    EXPECT_EQ(value, std::strtod(repr.c_str(), nullptr)) << repr;
    double read = 0;
    ASSERT_TRUE(clamma::ParseDouble(repr, &read)) << repr;
    EXPECT_EQ(value, read) << repr;
    size_t digits = 0;
    const std::string mantissa = repr.substr(0, repr.find('e'));
    for (const char c : mantissa) digits += c >= '0' && c <= '9' ? 1 : 0;
    char shorter[64];
    std::snprintf(shorter, sizeof(shorter), "%.15g", value);
    if (std::strtod(shorter, nullptr) == value && repr.find('e') != std::string::npos) {
      EXPECT_LE(digits, 15u) << repr;
    }
  }
}

TEST(DecimalTest, LongNumbersRoundAsTheCLibrarys) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 5000; ++i) {
    // Close to halfway between two values, where every digit matters.
    const double value = FromBits(random() & 0x7fffffffffffffffu);
    if (!std::isfinite(value)) continue;
    char exact[1200];
    std::snprintf(exact, sizeof(exact), "%.*e", static_cast<int>(random() % 800), value);
    std::string text = exact;
    if (i % 2 == 0) text.insert(text.find('e'), std::to_string(random()));
    double read = 0;
    if (text.find('.') == std::string::npos) continue;
    ASSERT_TRUE(clamma::ParseDouble(text, &read)) << text;
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), read) << text;
  }
  for (const char* text :
       {"1e400", "1e-400", "4.9406564584124654e-324", "2.4703282292062327e-324",
        "2.4703282292062328e-324", "1.7976931348623158e308", "9007199254740993",
        "9007199254740993.0000000000000000000000001", "0e999999999999", "123.e2"}) {
    double read = 0;
    ASSERT_TRUE(clamma::ParseDouble(text, &read)) << text;
    EXPECT_EQ(std::strtod(text, nullptr), read) << text;
  }
}

TEST(DecimalTest, FixedDigitsAreExact) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 5000; ++i) {
    const double value = i % 2 == 0 ? static_cast<double>(random() % 100000) / 64
                                    : FromBits(random() & 0x7fffffffffffffffu);
    if (!std::isfinite(value)) continue;
    const auto precision = static_cast<unsigned>(random() % 20);
    char text[400];
    std::snprintf(text, sizeof(text), "%.*f", static_cast<int>(precision), value);
    EXPECT_EQ(text, Fixed(value, precision)) << value;
  }
  EXPECT_EQ("-0.5", Fixed(-0.45, 1));
  EXPECT_EQ("2", Fixed(2.5, 0));
  EXPECT_EQ("1000", Fixed(999.96, 0));
}

TEST(DecimalTest, RemainderIsExact) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20000; ++i) {
    const double a = FromBits(random());
    const double b = i % 2 == 0 ? FromBits(random()) : a / 3.7;
    if (!std::isfinite(a) || !std::isfinite(b) || b == 0) continue;
    EXPECT_EQ(std::fmod(a, b), clamma::Remainder(a, b)) << a << " % " << b;
  }
  EXPECT_EQ(-3.0, clamma::Floor(-2.5));
  EXPECT_EQ(2.0, clamma::Floor(2.5));
}

}  // namespace
