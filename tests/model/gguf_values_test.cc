// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gguf_bytes.h"
#include "gguf_fixture.h"
#include "model/files/gguf.h"

namespace clamma {
namespace {

using clamma_test::ExpectReason;
using clamma_test::GgufBytes;
using clamma_test::ParsedGguf;
using Elements = Gguf::Elements;
constexpr auto kRequired = Gguf::Presence::kRequired;
constexpr auto kOptional = Gguf::Presence::kOptional;

uint32_t Uint32Of(const ParsedGguf& gguf, const char* key) {
  uint32_t number = 0;
  const Status status = gguf->GetUint32(key, kRequired, {}, &number);
  EXPECT_TRUE(status.ok()) << status.message();
  return number;
}

float FloatOf(const ParsedGguf& gguf, const char* key) {
  float number = 0;
  const Status status = gguf->GetFloat(key, kRequired, &number);
  EXPECT_TRUE(status.ok()) << status.message();
  return number;
}

TEST(GgufValues, AreReadAsNumbersWhateverTheirWidth) {
  GgufBytes file;
  file.Add("u8", uint8_t{7}).Add("i8", int8_t{7}).Add("u16", uint16_t{7}).Add("i16", int16_t{7});
  file.Add("u32", uint32_t{7})
      .Add("i32", int32_t{7})
      .Add("u64", uint64_t{7})
      .Add("i64", int64_t{7});
  file.Add("f32", 7.5f).Add("f64", 7.5);
  const ParsedGguf gguf(file);
  for (const char* key : {"u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"}) {
    EXPECT_EQ(Uint32Of(gguf, key), 7u) << key;
    EXPECT_EQ(FloatOf(gguf, key), 7.0f) << key;
  }
  EXPECT_EQ(FloatOf(gguf, "f32"), 7.5f);
  EXPECT_EQ(FloatOf(gguf, "f64"), 7.5f);
}

TEST(GgufValues, KeepTheirSignAndEveryBit) {
  GgufBytes file;
  file.Add("i8", int8_t{-128}).Add("i16", int16_t{-32768}).Add("i32", INT32_MIN);
  file.Add("i64", INT64_MIN).Add("u64", UINT64_MAX);
  const ParsedGguf gguf(file);
  GgufValue value;
  int64_t integer = 0;
  uint64_t natural = 0;
  const std::pair<const char*, int64_t> kNegative[] = {
      {"i8", -128}, {"i16", -32768}, {"i32", INT32_MIN}, {"i64", INT64_MIN}};
  for (const auto& [key, expected] : kNegative) {
    ASSERT_TRUE(gguf->Find(key, &value));
    EXPECT_TRUE(value.Int(0, &integer));
    EXPECT_EQ(integer, expected);
    EXPECT_FALSE(value.Uint(0, &natural));
    EXPECT_FALSE(value.Int(1, &integer));
    EXPECT_EQ(FloatOf(gguf, key), static_cast<float>(expected));
  }
  ASSERT_TRUE(gguf->Find("u64", &value));
  EXPECT_FALSE(value.Int(0, &integer));
  EXPECT_TRUE(value.Uint(0, &natural));
  EXPECT_EQ(natural, UINT64_MAX);
  EXPECT_EQ(FloatOf(gguf, "u64"), 0x1p64f);
}

TEST(GgufValues, OutOfRangeAreRefusedByName) {
  GgufBytes file;
  file.Add("minus", int32_t{-5}).Add("large", uint64_t{1} << 32).Add("eleven", uint8_t{11});
  const ParsedGguf gguf(file);
  uint32_t number = 42;
  ExpectReason(gguf->GetUint32("minus", kRequired, {}, &number), {"\"minus\"", "-5"});
  ExpectReason(gguf->GetUint32("large", kOptional, {}, &number), {"\"large\"", "4294967296"});
  ExpectReason(gguf->GetUint32("eleven", kRequired, {0, 10}, &number), {"11", "0 to 10"});
  ExpectReason(gguf->GetUint32("eleven", kRequired, {12, 20}, &number), {"11", "12 to 20"});
  EXPECT_EQ(number, 42u);
  EXPECT_TRUE(gguf->GetUint32("eleven", kRequired, {11, 11}, &number).ok());
}

TEST(GgufValues, MissingAreRefusedOnlyWhereRequired) {
  const ParsedGguf gguf{GgufBytes()};
  uint32_t number = 42;
  float real = 1.5f;
  bool flag = true;
  std::string_view text = "text";
  GgufValue value;
  ExpectReason(gguf->GetUint32("a.b", kRequired, {}, &number), {"no key \"a.b\""});
  ExpectReason(gguf->GetFloat("a.b", kRequired, &real), {"no key \"a.b\""});
  ExpectReason(gguf->GetBool("a.b", kRequired, &flag), {"no key \"a.b\""});
  ExpectReason(gguf->GetString("a.b", kRequired, &text), {"no key \"a.b\""});
  ExpectReason(gguf->GetArray("a.b", Elements::kNumbers, kRequired, &value), {"no key \"a.b\""});
  EXPECT_TRUE(gguf->GetUint32("a.b", kOptional, {}, &number).ok());
  EXPECT_TRUE(gguf->GetFloat("a.b", kOptional, &real).ok());
  EXPECT_TRUE(gguf->GetBool("a.b", kOptional, &flag).ok());
  EXPECT_TRUE(gguf->GetString("a.b", kOptional, &text).ok());
  EXPECT_TRUE(gguf->GetArray("a.b", Elements::kNumbers, kOptional, &value).ok());
  EXPECT_EQ(number, 42u);
  EXPECT_EQ(real, 1.5f);
  EXPECT_TRUE(flag);
  EXPECT_EQ(text, "text");
  EXPECT_EQ(value.count, 0u);
}

TEST(GgufValues, OfAnotherKindAreRefusedByName) {
  GgufBytes file;
  file.Add("text", "7").Add("real", 7.0f).Add("flag", true).Add("number", uint8_t{1});
  file.AddArray("array", std::vector<int32_t>{1}).AddArray("none", std::vector<int32_t>());
  const ParsedGguf gguf(file);
  uint32_t number = 42;
  float real = 1.5f;
  bool flag = false;
  std::string_view text;
  GgufValue value;
  for (const char* key : {"text", "real", "flag", "array", "none"}) {
    ExpectReason(gguf->GetUint32(key, kOptional, {}, &number), {key, "an integer is expected"});
  }
  for (const char* key : {"text", "flag", "array", "none"}) {
    ExpectReason(gguf->GetFloat(key, kOptional, &real), {key, "a number is expected"});
  }
  for (const char* key : {"text", "real", "number", "array", "none"}) {
    ExpectReason(gguf->GetBool(key, kOptional, &flag), {key, "a boolean is expected"});
  }
  for (const char* key : {"real", "flag", "number", "array", "none"}) {
    ExpectReason(gguf->GetString(key, kOptional, &text), {key, "a string is expected"});
  }
  for (const char* key : {"text", "real", "flag", "number"}) {
    ExpectReason(gguf->GetArray(key, Elements::kNumbers, kOptional, &value), {key, "an array of"});
  }
  ExpectReason(gguf->GetArray("array", Elements::kStrings, kOptional, &value),
               {"array of type int32", "an array of strings is expected"});
}

TEST(GgufValues, OfDoublesBecomeTheNearestFloats) {
  const std::pair<double, float> kValues[] = {{0.1, 0.1f},
                                              {double{FLT_MAX}, FLT_MAX},
                                              {0x1.fffffefp127, FLT_MAX},
                                              {-0x1.fffffefp127, -FLT_MAX},
                                              {0x1.ffffffp127, HUGE_VALF},
                                              {-1e300, -HUGE_VALF},
                                              {HUGE_VAL, HUGE_VALF},
                                              {1e-300, 0.0f}};
  for (const auto& [from, expected] : kValues) {
    const ParsedGguf gguf(GgufBytes().Add("x", from));
    GgufValue value;
    ASSERT_TRUE(gguf->Find("x", &value));
    float real = 1;
    EXPECT_TRUE(value.Float(0, &real));
    EXPECT_EQ(real, expected) << from;
    EXPECT_EQ(gguf->GetFloat("x", kRequired, &real).ok(), std::isfinite(expected)) << from;
  }
  float real = 1;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ExpectReason(ParsedGguf(GgufBytes().Add("x", nan))->GetFloat("x", kRequired, &real),
               {"\"x\"", "not a number"});
}

TEST(GgufValues, ThatAreBooleansAre0Or1) {
  GgufBytes file;
  file.Add("yes", true).Add("no", false).AddRaw("both", 7, {2});
  const ParsedGguf gguf(file);
  bool flag = false;
  EXPECT_TRUE(gguf->GetBool("yes", kRequired, &flag).ok());
  EXPECT_TRUE(flag);
  EXPECT_TRUE(gguf->GetBool("no", kRequired, &flag).ok());
  EXPECT_FALSE(flag);
  ExpectReason(gguf->GetBool("both", kRequired, &flag), {"\"both\"", "neither 0 nor 1"});
}

TEST(GgufValues, OfLayersAreOneForAllOrOneForEach) {
  GgufBytes file;
  file.Add("all", uint32_t{7}).AddArray("each", std::vector<int16_t>{5, 6, 7});
  file.Add("base", 0.5f).AddArray("bases", std::vector<double>{1, 2, 3});
  file.Add("on", true).AddArray("ons", std::vector<uint8_t>{1, 0, 1});
  file.AddRawArray("flags", 7, 3, {1, 0, 1});
  const ParsedGguf gguf(file);
  for (uint32_t i = 0; i < 3; ++i) {
    const Gguf::Layer layer = {i, 3};
    uint32_t number = 0;
    float real = 0;
    bool flag = false;
    EXPECT_TRUE(gguf->GetUint32("all", layer, kRequired, {}, &number).ok());
    EXPECT_EQ(number, 7u);
    EXPECT_TRUE(gguf->GetUint32("each", layer, kRequired, {}, &number).ok());
    EXPECT_EQ(number, 5 + i);
    EXPECT_TRUE(gguf->GetFloat("base", layer, kRequired, &real).ok());
    EXPECT_EQ(real, 0.5f);
    EXPECT_TRUE(gguf->GetFloat("bases", layer, kRequired, &real).ok());
    EXPECT_EQ(real, static_cast<float>(1 + i));
    EXPECT_TRUE(gguf->GetBool("on", layer, kRequired, &flag).ok());
    EXPECT_TRUE(flag);
    EXPECT_TRUE(gguf->GetBool("flags", layer, kRequired, &flag).ok());
    EXPECT_EQ(flag, i != 1);
    ExpectReason(gguf->GetBool("ons", layer, kRequired, &flag), {"\"ons\""});
    EXPECT_TRUE(gguf->GetUint32("absent", layer, kOptional, {}, &number).ok());
    ExpectReason(gguf->GetUint32("absent", layer, kRequired, {}, &number), {"no key"});
    ExpectReason(gguf->GetUint32("each", layer, kRequired, {0, 4}, &number), {"0 to 4"});
  }
  uint32_t number = 0;
  ExpectReason(gguf->GetUint32("each", Gguf::Layer{0, 4}, kRequired, {}, &number),
               {"\"each\"", "3 values for 4 layers"});
}

TEST(GgufValues, OfArraysAreReadOneByOne) {
  GgufBytes file;
  file.AddArray("texts", std::vector<std::string>{"a", "", std::string("\0\xff", 2), "d"});
  file.AddArray("scores", std::vector<float>{0.5f, -1.0f});
  file.AddArray("types", std::vector<int8_t>{1, -2});
  file.AddArray("none", std::vector<std::string>());
  const ParsedGguf gguf(file);
  GgufValue value;
  ASSERT_TRUE(gguf->GetArray("texts", Elements::kStrings, kRequired, &value).ok());
  GgufStrings texts(value);
  std::vector<std::string> all;
  EXPECT_EQ(texts.left(), 4u);
  for (std::string_view text; texts.Next(&text);) all.emplace_back(text);
  EXPECT_EQ(all, (std::vector<std::string>{"a", "", std::string("\0\xff", 2), "d"}));
  EXPECT_EQ(texts.left(), 0u);
  std::string_view text;
  EXPECT_FALSE(value.String(&text));

  ASSERT_TRUE(gguf->GetArray("scores", Elements::kNumbers, kRequired, &value).ok());
  float real = 0;
  EXPECT_TRUE(value.Float(1, &real));
  EXPECT_EQ(real, -1.0f);
  EXPECT_FALSE(value.Float(2, &real));
  EXPECT_FALSE(GgufStrings(value).Next(&text));
  ASSERT_TRUE(gguf->GetArray("types", Elements::kIntegers, kRequired, &value).ok());
  EXPECT_TRUE(value.Float(1, &real));
  EXPECT_EQ(real, -2.0f);
  ASSERT_TRUE(gguf->GetArray("none", Elements::kNumbers, kRequired, &value).ok());
  EXPECT_EQ(value.count, 0u);
  ExpectReason(gguf->GetArray("scores", Elements::kIntegers, kRequired, &value),
               {"\"scores\"", "array of integers"});
}

TEST(GgufKey, JoinsTheArchitectureAndAName) {
  EXPECT_EQ(GgufKey("llama", "block_count").view(), "llama.block_count");
  EXPECT_EQ(GgufKey("", "a").view(), ".a");
  EXPECT_EQ(GgufKey(std::string(100, 'x'), std::string(27, 'y')).view().size(), 128u);
  EXPECT_EQ(GgufKey(std::string(100, 'x'), std::string(28, 'y')).view(), "");
}

TEST(GgufValues, HaveNamesOfTheirTypes) {
  for (uint32_t type = 0; type < kGgufTypes; ++type) {
    EXPECT_STRNE(GgufTypeName(static_cast<GgufType>(type)), "");
  }
  EXPECT_EQ(GgufTypeBytes(GgufType::kFloat64), 8u);
  EXPECT_EQ(GgufTypeBytes(GgufType::kString), 0u);
}

}  // namespace
}  // namespace clamma
