// SPDX-License-Identifier: MIT
#include "model/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace clamma {
namespace {

using namespace std::string_literals;

constexpr uint32_t kCodePoints = 0x110000;

bool IsSurrogate(uint32_t code) { return code >= 0xd800 && code <= 0xdfff; }

std::string Utf8Of(uint32_t code) {
  const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xc0 | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xe0 | code >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0)};
}

std::string Show(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<uint8_t>(c);
    shown += {kDigits[byte >> 4], kDigits[byte & 15], ' '};
  }
  return shown;
}

testing::AssertionResult Gives(std::string_view text, Utf8Prefix prefix, size_t length) {
  const Utf8Scan scan = ScanUtf8(text);
  if (scan.prefix == prefix && scan.length == length) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << Show(text) << "gives kind " << static_cast<int>(scan.prefix) << ", length "
         << scan.length << "; expected kind " << static_cast<int>(prefix) << ", length " << length;
}

TEST(Utf8, EveryCodePointIsACharacterOfItsLength) {
  for (uint32_t code = 0; code < kCodePoints; ++code) {
    if (IsSurrogate(code)) continue;
    const std::string text = Utf8Of(code);
    ASSERT_TRUE(Gives(text, Utf8Prefix::kCharacter, text.size()));
  }
}

TEST(Utf8, WhatFollowsACharacterDoesNotMatter) {
  for (const char* text : {"a", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80"}) {
    for (const char* next : {"b", "\x80", "\xff", "\xf0"}) {
      EXPECT_TRUE(Gives(std::string(text) + next, Utf8Prefix::kCharacter, std::strlen(text)));
    }
  }
  EXPECT_TRUE(Gives("\0a"s, Utf8Prefix::kCharacter, 1));
}

TEST(Utf8, EveryCutCharacterIsIncomplete) {
  for (uint32_t code = 0x80; code < kCodePoints; ++code) {
    if (IsSurrogate(code)) continue;
    const std::string text = Utf8Of(code);
    for (size_t length = 1; length < text.size(); ++length) {
      ASSERT_TRUE(Gives(text.substr(0, length), Utf8Prefix::kIncomplete, length));
    }
  }
}

TEST(Utf8, BytesThatBeginNothingAreInvalidOneByOne) {
  for (int byte = 0x80; byte < 0x100; ++byte) {
    if (byte >= 0xc2 && byte <= 0xf4) continue;
    const std::string text(1, static_cast<char>(byte));
    EXPECT_TRUE(Gives(text, Utf8Prefix::kInvalid, 1));
    EXPECT_TRUE(Gives(text + "\x80\x80\x80", Utf8Prefix::kInvalid, 1));
  }
}

TEST(Utf8, OverlongFormsAreInvalidFromTheSecondByteOn) {
  for (const std::string& text : {"\xc0\x80"s, "\xc1\xbf"s, "\xe0\x80\x80"s, "\xe0\x9f\xbf"s,
                                  "\xf0\x80\x80\x80"s, "\xf0\x8f\xbf\xbf"s}) {
    EXPECT_TRUE(Gives(text, Utf8Prefix::kInvalid, 1));
    EXPECT_TRUE(Gives(text.substr(0, 2), Utf8Prefix::kInvalid, 1));
  }
}

TEST(Utf8, SurrogatesAreInvalidFromTheSecondByteOn) {
  for (uint32_t code = 0xd800; code <= 0xdfff; ++code) {
    ASSERT_TRUE(Gives(Utf8Of(code), Utf8Prefix::kInvalid, 1));
    ASSERT_TRUE(Gives(Utf8Of(code).substr(0, 2), Utf8Prefix::kInvalid, 1));
  }
}

TEST(Utf8, BeyondTheLastCodePointIsInvalid) {
  EXPECT_TRUE(Gives("\xf4\x8f\xbf\xbf", Utf8Prefix::kCharacter, 4));
  EXPECT_TRUE(Gives("\xf4\x90\x80\x80", Utf8Prefix::kInvalid, 1));
  EXPECT_TRUE(Gives("\xf5\x80\x80\x80", Utf8Prefix::kInvalid, 1));
  EXPECT_TRUE(Gives("\xf8\x88\x80\x80\x80", Utf8Prefix::kInvalid, 1));
}

// The examples of Unicode 15, section 3.9, tables 3-8 to 3-11: the lengths of characters, and of
// parts that one replacement character stands for.
TEST(Utf8, CutsMaximalSubparts) {
  struct Example {
    std::string text;
    std::vector<size_t> lengths;
  };
  const Example examples[] = {
      {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"s, {1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"s, {1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"s, {1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"s, {2, 1, 3, 2, 1}},
  };
  for (const Example& example : examples) {
    SCOPED_TRACE(Show(example.text));
    std::vector<size_t> lengths;
    for (std::string_view rest = example.text; !rest.empty();) {
      lengths.push_back(ScanUtf8(rest).length);
      rest.remove_prefix(lengths.back());
    }
    EXPECT_EQ(lengths, example.lengths);
  }
}

// Every beginning of every character, as sets by length.
class Prefixes {
 public:
  Prefixes() : two_(1 << 16), three_(1 << 24) {
    for (uint32_t code = 0; code < kCodePoints; ++code) {
      if (IsSurrogate(code)) continue;
      const std::string text = Utf8Of(code);
      if (text.size() == 1) ascii_[code] = true;
      if (text.size() > 1) one_[Key(text, 1)] = true;
      if (text.size() > 2) two_[Key(text, 2)] = true;
      if (text.size() > 3) three_[Key(text, 3)] = true;
      if (text.size() == 2) whole_two_[Key(text, 2)] = true;
      if (text.size() == 3) whole_three_[Key(text, 3)] = true;
    }
  }

  // Returns what ScanUtf8() must return for four bytes, by the definition: the first character, or
  // else the longest beginning of one.
  Utf8Scan Expected(std::string_view text) const {
    if (ascii_[Key(text, 1)]) return {Utf8Prefix::kCharacter, 1};
    if (!one_[Key(text, 1)]) return {Utf8Prefix::kInvalid, 1};
    if (whole_two_[Key(text, 2)]) return {Utf8Prefix::kCharacter, 2};
    if (!two_[Key(text, 2)]) return {Utf8Prefix::kInvalid, 1};
    if (whole_three_[Key(text, 3)]) return {Utf8Prefix::kCharacter, 3};
    if (!three_[Key(text, 3)]) return {Utf8Prefix::kInvalid, 2};
    const bool tail = (static_cast<uint8_t>(text[3]) & 0xc0) == 0x80;
    return tail ? Utf8Scan{Utf8Prefix::kCharacter, 4} : Utf8Scan{Utf8Prefix::kInvalid, 3};
  }

 private:
  static size_t Key(std::string_view text, size_t length) {
    size_t key = 0;
    for (const char c : text.substr(0, length)) key = key << 8 | static_cast<uint8_t>(c);
    return key;
  }

  std::vector<bool> ascii_ = std::vector<bool>(256);
  std::vector<bool> one_ = std::vector<bool>(256);
  std::vector<bool> two_;
  std::vector<bool> three_;
  std::vector<bool> whole_two_ = std::vector<bool>(1 << 16);
  std::vector<bool> whole_three_ = std::vector<bool>(1 << 24);
};

TEST(Utf8, AllLeadsWithTailsAtTheEdgesOfTheirRanges) {
  const Prefixes prefixes;
  const std::string tails = "\x00\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc2\xe0\xf0\xff"s;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      for (const char third : tails) {
        for (const char fourth : tails) {
          const char bytes[] = {static_cast<char>(first), static_cast<char>(second), third, fourth};
          const std::string_view text(bytes, sizeof(bytes));
          const Utf8Scan expected = prefixes.Expected(text);
          ASSERT_TRUE(Gives(text, expected.prefix, expected.length));
        }
      }
    }
  }
}

}  // namespace
}  // namespace clamma
