// SPDX-License-Identifier: MIT
// NFC, beyond what tokenizers_test.py compares with Python: bytes that are not UTF-8, and long
// sequences of marks.
#include "tokenizer/nfc.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "platform/memory.h"

namespace clamma {
namespace {

using namespace std::string_literals;

std::string Nfc(std::string_view text) {
  Memory memory;
  NfcNormalizer normalizer;
  EXPECT_TRUE(normalizer.Reserve(memory, text.size()).ok());
  return std::string(normalizer.Normalize(text));
}

TEST(Nfc, ComposesAndOrdersMarks) {
  EXPECT_EQ(Nfc("e\u0301"), "\u00e9");
  EXPECT_EQ(Nfc("\u00e9"), "\u00e9");
  EXPECT_EQ(Nfc("q\u0307\u0323"), "q\u0323\u0307");  // sorted by their classes
  EXPECT_EQ(Nfc("s\u0307\u0323"), "\u1e69");         // two marks, in the other order
  EXPECT_EQ(Nfc("a\u0301\u0301"), "\u00e1\u0301");   // the first blocks the second
  EXPECT_EQ(Nfc("\u1100\u1161\u11a8"), "\uac01");    // Hangul
  EXPECT_EQ(Nfc("\uac00\u11a8"), "\uac01");
  EXPECT_EQ(Nfc("\u212b"), "\u00c5");        // the unit becomes the letter
  EXPECT_EQ(Nfc("\u0958"), "\u0915\u093c");  // stays decomposed
  EXPECT_EQ(Nfc("\U0001d160"), "\U0001d158\U0001d165\U0001d16e");
  EXPECT_EQ(Nfc("\u0301e"), "\u0301e");  // a mark with nothing before it
  EXPECT_EQ(Nfc(""), "");
}

TEST(Nfc, BytesOfNoCharacterStayAndComposeWithNothing) {
  EXPECT_EQ(Nfc("e\xff\u0301"), "e\xff\u0301");
  EXPECT_EQ(Nfc("\xcc"), "\xcc");
  EXPECT_EQ(Nfc("e\xcc\xe2\x82"s), "e\xcc\xe2\x82");
  EXPECT_EQ(Nfc("\0e\u0301\0"s), "\0\u00e9\0"s);
}

TEST(Nfc, TellsWhatCannotChange) {
  EXPECT_FALSE(MayChangeByNfc("plain, \u00fcber, \u4f60\u597d, \uc548\ub155 \xff"));
  EXPECT_TRUE(MayChangeByNfc("e\u0301"));
  EXPECT_TRUE(MayChangeByNfc("\u1100\u1161"));
  EXPECT_TRUE(MayChangeByNfc("\u212b"));
}

TEST(Nfc, TakesLongRowsOfMarksInLinearTime) {
  std::string marks;
  for (int i = 0; i < 300000; ++i) marks += i % 2 == 0 ? "\u0301" : "\u0323";
  const std::string normal = Nfc("x" + marks);
  EXPECT_EQ(normal.size(), 1 + marks.size());
  EXPECT_EQ(normal.substr(1, 4), "\u0323\u0323");
}

TEST(Nfc, IsItsOwnNormalFormOfAnyBytes) {
  std::mt19937 random(5);
  const std::string_view pieces[] = {"e",      "\u0301", "\u0323", "\u1100", "\u1161",
                                     "\u11a8", "\xcc",   "\u0344", "\u1f82"};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t n = random() % 12; n > 0; --n) {
      if (random() % 4 == 0) {
        text += static_cast<char>(random());
      } else {
        text += pieces[random() % std::size(pieces)];
      }
    }
    const std::string normal = Nfc(text);
    EXPECT_LE(normal.size(), kMaxNfcGrowth * text.size());
    EXPECT_EQ(Nfc(normal), normal) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace clamma
