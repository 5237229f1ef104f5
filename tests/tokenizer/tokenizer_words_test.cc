// SPDX-License-Identifier: MIT
// How pre-tokenizers split texts, beyond what tokenizers_test.py compares with regular expressions:
// bytes that are not UTF-8, and texts that make backtracking expensive.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pretokenizers.h"
#include "tokenizer/unicode.h"

namespace clamma {
namespace {

using Words = std::vector<std::string>;

const char* const kNames[] = {"default",     "gpt-2",     "smollm",          "llama-bpe",
                              "qwen2",       "qwen35",    "deepseek-llm",    "deepseek-coder",
                              "deepseek-v3", "tekken",    "gpt-4o",          "falcon",
                              "starcoder",   "command-r", "deepseek-r1-qwen"};

Words Split(const char* name, std::string_view text) {
  const Pretokenizer* const rule = FindPretokenizer(name);
  EXPECT_NE(rule, nullptr) << name;
  Words words;
  std::string_view word;
  for (WordSplitter splitter(*rule, text); splitter.Next(&word);) words.emplace_back(word);
  return words;
}

TEST(Pretokenizers, EveryNameOfTheFamiliesIsKnown) {
  for (const char* name : {"default",      "gpt-2",
                           "llama-bpe",    "llama3",
                           "smaug-bpe",    "falcon3",
                           "pixtral",      "smollm",
                           "qwen2",        "qwen35",
                           "deepseek-llm", "deepseek-coder",
                           "deepseek-v3",  "deepseek-r1-qwen",
                           "tekken",       "gpt-4o",
                           "llama4",       "starcoder",
                           "refact",       "falcon",
                           "mpt",          "command-r",
                           "olmo",         "dbrx",
                           "exaone",       "stablelm2",
                           "chatglm-bpe",  "lfm2"}) {
    ASSERT_NE(FindPretokenizer(name), nullptr) << name;
    EXPECT_EQ(FindPretokenizer(name)->name, name);
  }
  EXPECT_EQ(FindPretokenizer(""), nullptr);
  EXPECT_EQ(FindPretokenizer("gpt-2 "), nullptr);
}

TEST(Pretokenizers, SplitAsTheirExpressionsSay) {
  EXPECT_EQ(Split("gpt-2", "I'll  go 123!\n\n x"),
            (Words{"I", "'ll", " ", " go", " 123", "!", "\n\n", " x"}));
  EXPECT_EQ(Split("llama-bpe", "I'LL go 12345!\n\n  x"),
            (Words{"I", "'LL", " go", " ", "123", "45", "!\n\n", " ", " x"}));
  EXPECT_EQ(Split("qwen2", "a12 \n b"), (Words{"a", "1", "2", " \n", " b"}));
  EXPECT_EQ(Split("smollm", "a 12"), (Words{"a", " ", "1", "2"}));
  EXPECT_EQ(Split("tekken", "HTTPServer isOK"), (Words{"HTTPServer", " is", "OK"}));
  EXPECT_EQ(Split("gpt-4o", "We'Re HERE'S"), (Words{"We'Re", " HERE'S"}));
  EXPECT_EQ(Split("deepseek-v3",
                  "1234.a \xe4\xb8\xad"
                  "b"),
            (Words{"123", "4", ".a", " ", "\xe4\xb8\xad", "b"}));
  EXPECT_EQ(Split("deepseek-llm", "a b  \n 12 "), (Words{"a", " b", "  ", "\n", " ", "12", " "}));
  EXPECT_EQ(Split("default", "a+1234"), (Words{"a", "+", "123", "4"}));
}

TEST(Pretokenizers, AnEmptyTextHasNoWords) {
  for (const char* name : kNames) EXPECT_EQ(Split(name, ""), Words()) << name;
}

std::string Joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += word;
  return text;
}

TEST(Pretokenizers, AnyBytesAreSplitAndNoneIsLost) {
  std::mt19937 random(10);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t n = random() % 24; n > 0; --n) {
      const std::string parts[] = {"\xff",
                                   "\xe4\xb8",
                                   "\xe4\xb8\xad",
                                   " ",
                                   "\n",
                                   "'S",
                                   "a",
                                   "A",
                                   "7",
                                   "\xcc\x81",
                                   "\xca\xb0",
                                   "!",
                                   std::string(1, static_cast<char>(random()))};
      text += parts[random() % std::size(parts)];
    }
    for (const char* name : kNames) {
      const Words words = Split(name, text);
      ASSERT_EQ(Joined(words), text) << name;
      for (const std::string& word : words) ASSERT_FALSE(word.empty()) << name;
    }
  }
}

// A quadratic matcher would take days.
TEST(Pretokenizers, AMegabyteThatInvitesBacktrackingIsSplit) {
  const size_t n = 1 << 20;
  const auto repeated = [n](std::string_view part) {
    std::string text;
    while (text.size() < n) text += part;
    return text;
  };
  const std::string spaces(n, ' ');
  const std::string texts[] = {spaces + "x",
                               "\n" + spaces + "x",
                               repeated(" \t"),
                               repeated(" \n") + "x",
                               repeated("\xe3\x80\x80") + "x",
                               std::string(n, 'A') + "1",
                               "\xca\xb0" + std::string(n, 'A'),
                               repeated("\xca\xb0"
                                        "A"),
                               repeated("A\xcc\x81") + "!",
                               repeated("'"),
                               std::string(n, '!') + " ",
                               std::string(n, '7'),
                               repeated("\xff"),
                               repeated("\xcc\x81"),
                               repeated("\r")};
  for (const std::string& text : texts) {
    for (const char* name : kNames) {
      const Pretokenizer* const rule = FindPretokenizer(name);
      size_t bytes = 0;
      std::string_view word;
      for (WordSplitter splitter(*rule, text); splitter.Next(&word);) bytes += word.size();
      EXPECT_EQ(bytes, text.size()) << name << " " << text.substr(0, 8);
    }
  }
}

// --- Classes of characters
// ------------------------------------------------------------------------

TEST(Unicode, ClassesOfCharacters) {
  const struct {
    uint32_t code;
    CharClass expected;
  } cases[] = {{'A', CharClass::kUppercase},       {'z', CharClass::kLowercase},
               {0x1c5, CharClass::kTitlecase},     {0x2b0, CharClass::kModifierLetter},
               {0x4e00, CharClass::kOtherLetter},  {0x301, CharClass::kMark},
               {'7', CharClass::kNumber},          {0x216b, CharClass::kNumber},
               {'!', CharClass::kPunctuation},     {'$', CharClass::kSymbol},
               {0x1f600, CharClass::kSymbol},      {' ', CharClass::kSpace},
               {0x85, CharClass::kSpace},          {0x3000, CharClass::kSpace},
               {0x200b, CharClass::kOther},        {0x1c, CharClass::kOther},
               {0x10ffff, CharClass::kOther},      {0x110000, CharClass::kOther},
               {UINT32_MAX, CharClass::kOther},    {0x20000, CharClass::kOtherLetter},
               {0x323af, CharClass::kOtherLetter}, {0xe0100, CharClass::kMark}};
  for (const auto& c : cases) EXPECT_EQ(ClassOf(c.code), c.expected) << std::hex << c.code;
}

TEST(Unicode, CharactersAtTheFrontOfAText) {
  const std::string text = "a\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xff\xe4\xb8";
  const char* at = text.data();
  const char* const end = at + text.size();
  for (const uint32_t code : {uint32_t{'a'}, 0xe9u, 0x4e2du, 0x1f600u, kNoCode, kNoCode, kNoCode}) {
    const Char c = FrontChar(at, end);
    EXPECT_EQ(c.code, code);
    EXPECT_NE(c.bit, 0u);
    at += c.length;
  }
  EXPECT_EQ(at, end);
  EXPECT_EQ(FrontChar(at, end).bit, 0u);
  EXPECT_EQ(FrontChar(at, end).length, 0u);
}

}  // namespace
}  // namespace clamma
