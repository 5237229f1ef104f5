// SPDX-License-Identifier: MIT
#include "engine/utf8_assembler.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "platform/memory.h"

namespace clamma {
namespace {

constexpr char kReplacement[] = "\xef\xbf\xbd";

class Utf8AssemblerTest : public ::testing::Test {
 protected:
  static constexpr size_t kLongest = 64;
  void SetUp() override { ASSERT_TRUE(assembler_.Init(memory_, kLongest).ok()); }

  // Returns the output for all pieces and for Flush().
  std::string Assemble(const std::vector<std::string>& pieces) {
    std::string out;
    for (const std::string& piece : pieces) out += assembler_.Append(piece);
    return out + assembler_.Flush();
  }

  Memory memory_;
  Utf8Assembler assembler_;
};

const char* const kCharacters[] = {
    "a",
    "\x7f",
    "\xc2\x80",          // U+0080
    "\xc3\xa9",          // U+00E9
    "\xdf\xbf",          // U+07FF
    "\xe0\xa0\x80",      // U+0800
    "\xe2\x82\xac",      // U+20AC
    "\xed\x9f\xbf",      // U+D7FF
    "\xee\x80\x80",      // U+E000
    "\xef\xbf\xbd",      // U+FFFD itself
    "\xef\xbf\xbf",      // U+FFFF
    "\xf0\x90\x80\x80",  // U+10000
    "\xf0\x9f\x98\x80",  // U+1F600
    "\xf4\x8f\xbf\xbf",  // U+10FFFF
};

TEST_F(Utf8AssemblerTest, CharactersSplitAtEveryBoundaryComeOutWhole) {
  for (const std::string character : kCharacters) {
    const std::string text = "x" + character + "y";
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      for (size_t second = cut; second <= text.size(); ++second) {
        EXPECT_EQ(
            Assemble({text.substr(0, cut), text.substr(cut, second - cut), text.substr(second)}),
            text)
            << "cut at " << cut << " and " << second;
      }
    }
  }
}

TEST_F(Utf8AssemblerTest, NothingComesOutBeforeACharacterIsWhole) {
  for (const std::string character : kCharacters) {
    for (size_t i = 0; i + 1 < character.size(); ++i) {
      EXPECT_STREQ(assembler_.Append(character.substr(i, 1)), "") << "byte " << i;
    }
    EXPECT_EQ(assembler_.Append(character.substr(character.size() - 1)), character);
    EXPECT_STREQ(assembler_.Flush(), "");
  }
}

TEST_F(Utf8AssemblerTest, WhatPrecedesAnUnfinishedCharacterComesOut) {
  EXPECT_STREQ(assembler_.Append("abc\xe2\x82"), "abc");
  EXPECT_STREQ(assembler_.Append("\xac"
                                 "d\xf0\x9f"),
               "\xe2\x82\xac"
               "d");
  EXPECT_STREQ(assembler_.Append("\x98\x80"), "\xf0\x9f\x98\x80");
}

TEST_F(Utf8AssemblerTest, BytesThatAreNoUtf8BecomeReplacements) {
  const struct {
    std::string in;
    std::string out;
  } cases[] = {
      {"\x80", "?"},  // a continuation alone
      {"\xbf\xbf", "??"},
      {"\xff", "?"},
      {"\xfe", "?"},
      {"\xc0\x80", "??"},  // overlong NUL
      {"\xc1\xbf", "??"},
      {"\xe0\x9f\xbf", "???"},  // overlong
      {"\xed\xa0\x80", "???"},  // surrogate
      {"\xf0\x8f\xbf\xbf", "????"},
      {"\xf4\x90\x80\x80", "????"},  // beyond U+10FFFF
      {"\xf5\x80", "??"},
      {"a\xff"
       "b",
       "a?b"},
      {"\xc3"
       "a",
       "?a"},  // cut short by a character
      {"\xe2\x82"
       "a",
       "?a"},  // the well-formed prefix becomes one U+FFFD
      {"\xf0\x9f\x98"
       "a",
       "?a"},
      {"\xe2\x82\xe2\x82\xac", "?\xe2\x82\xac"},
  };
  for (const auto& c : cases) {
    std::string expected;
    for (const char byte : c.out)
      expected += byte == '?' ? std::string(kReplacement) : std::string(1, byte);
    for (size_t cut = 0; cut <= c.in.size(); ++cut) {
      EXPECT_EQ(Assemble({c.in.substr(0, cut), c.in.substr(cut)}), expected)
          << testing::PrintToString(c.in) << " cut at " << cut;
    }
  }
}

TEST_F(Utf8AssemblerTest, NulBecomesAReplacement) {
  EXPECT_EQ(assembler_.Append(std::string_view("\0", 1)), std::string(kReplacement));
  EXPECT_EQ(assembler_.Append(std::string_view("a\0b", 3)), std::string("a") + kReplacement + "b");
  EXPECT_EQ(Assemble({std::string("\xc3\0", 2)}), std::string(kReplacement) + kReplacement);
}

TEST_F(Utf8AssemblerTest, FlushGivesOneReplacementForWhatIsHeld) {
  EXPECT_STREQ(assembler_.Flush(), "");
  for (const char* begun : {"\xc3", "\xe2\x82", "\xf0", "\xf0\x9f", "\xf0\x9f\x98"}) {
    EXPECT_STREQ(assembler_.Append(begun), "");
    EXPECT_STREQ(assembler_.Flush(), kReplacement);
    EXPECT_STREQ(assembler_.Flush(), "") << "what was flushed is gone";
    EXPECT_STREQ(assembler_.Append("a"), "a");
  }
}

TEST_F(Utf8AssemblerTest, DropForgetsWhatIsHeld) {
  EXPECT_STREQ(assembler_.Append("\xe2\x82"), "");
  assembler_.Drop();
  EXPECT_STREQ(assembler_.Flush(), "");
  EXPECT_STREQ(assembler_.Append("\xe2\x82"), "");
  assembler_.Drop();
  EXPECT_STREQ(assembler_.Append("a"), "a");
}

TEST_F(Utf8AssemblerTest, EmptyPiecesChangeNothing) {
  EXPECT_STREQ(assembler_.Append(std::string_view()), "") << "control tokens have no bytes at all";
  EXPECT_STREQ(assembler_.Append("\xe2"), "");
  EXPECT_STREQ(assembler_.Append(""), "");
  EXPECT_STREQ(assembler_.Append(std::string_view()), "");
  EXPECT_STREQ(assembler_.Append("\x82\xac"), "\xe2\x82\xac");
}

TEST_F(Utf8AssemblerTest, LongestPieceOfInvalidBytesFits) {
  std::string expected;
  for (size_t i = 0; i < kLongest; ++i) expected += kReplacement;
  EXPECT_EQ(assembler_.Append(std::string(kLongest, '\xff')), expected);
  EXPECT_STREQ(assembler_.Append("\xf0\x9f\x98"), "");
  EXPECT_EQ(assembler_.Append(std::string(kLongest, '\xff')), kReplacement + expected);
}

TEST_F(Utf8AssemblerTest, AnyCutOfAnyBytesGivesTheSameText) {
  std::mt19937 random(1);
  const std::string bytes_of_interest(
      "\x00"
      "a\x80\xbf\xc2\xe0\xa0\xed\xf0\x90\xf4\xff",
      12);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (size_t i = random() % kLongest; i > 0; --i) {
      text += bytes_of_interest[random() % bytes_of_interest.size()];
    }
    const std::string whole = Assemble({text});
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t size = random() % 5;
      pieces.push_back(text.substr(at, size));
      at += size;
    }
    ASSERT_EQ(Assemble(pieces), whole) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace clamma
