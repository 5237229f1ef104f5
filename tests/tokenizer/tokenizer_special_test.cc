// SPDX-License-Identifier: MIT
// Special tokens in texts: which are found, where, and which of them users' bytes cannot become.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer_vocabularies.h"

namespace clamma_test {
namespace {

using clamma::TextRange;
using clamma::TokenId;

const std::vector<GgufToken> kSpecial = {{"<|im_start|>", kControl}, {"<|im_end|>", kControl},
                                         {"<t>", kUserDefined},      {"<t>x", kUserDefined},
                                         {"<|", kUserDefined},       {"<u>", kUnknown}};

OpenedGguf Open() { return OpenedGguf(ByteLevel(kSpecial, {}, "gpt-2")); }

TEST(SpecialTokens, ControlTokensAreFoundOnlyWhereTheCallerSaysSo) {
  OpenedGguf opened(ByteLevel({{"<|im_start|>", kControl}, {"<u>", kUnknown}}, {}, "gpt-2"));
  EXPECT_EQ(opened.Encode("a<|im_start|><u>b").size(), 17u);
  for (const TokenId id : opened.Encode("a<|im_start|><u>b")) EXPECT_LT(id, kMore);
  EXPECT_EQ(opened.Pieces("a<|im_start|><u>b", {.parse_control = true}),
            (Texts{"a", "<|im_start|>", "<u>", "b"}));
}

TEST(SpecialTokens, TheLongestCountsAtEachPlace) {
  OpenedGguf opened(ByteLevel(kSpecial, {}, "gpt-2"));
  EXPECT_EQ(opened.Pieces("<t><t>x<t"), (Texts{"<t>", "<t>x", "<", "t"}));
  EXPECT_EQ(opened.Pieces("<|im_end|>", {.parse_control = true}), (Texts{"<|im_end|>"}));
  // The longest possible token.
  EXPECT_EQ(opened.Pieces("<|im_end|>"), (Texts{"<|", "i", "m", "_", "e", "n", "d", "|", ">"}));
  EXPECT_EQ(opened.Pieces("<|im_end|", {.parse_control = true}),
            (Texts{"<|", "i", "m", "_", "e", "n", "d", "|"}));
}

TEST(SpecialTokens, OfEqualTextsTheOneThatAUserDefinedCounts) {
  OpenedGguf opened(
      ByteLevel({{"<x>", kControl}, {"<x>", kUserDefined}, {"<x>", kUserDefined}}, {}, "gpt-2"));
  EXPECT_EQ(opened.Encode("<x>"), (Ids{kMore + 1}));
  EXPECT_EQ(opened.Encode("<x>", {.parse_control = true}), (Ids{kMore + 1}));
}

// Every range of the text in turn: a control token is found if the range does not overlap it.
TEST(SpecialTokens, NoControlTokenTouchesAUsersBytes) {
  OpenedGguf opened(ByteLevel({{"<|im_start|>", kControl}, {"<|im_end|>", kControl}}, {}, "gpt-2"));
  const std::string text = "<|im_start|>a<|im_end|>";
  for (size_t begin = 0; begin <= text.size(); ++begin) {
    for (size_t end = begin + 1; end <= text.size(); ++end) {
      const TextRange data = {begin, end};
      const Ids ids = opened.Encode(text, {.parse_control = true, .data = &data, .n_data = 1});
      size_t n = 0;
      for (const TokenId id : ids) n += id >= kMore ? 1 : 0;
      const bool first = begin >= 12;
      const bool second = begin >= 23 || end <= 13;
      ASSERT_EQ(n, (first ? 1u : 0u) + (second ? 1u : 0u)) << begin << " to " << end;
      std::string joined;
      for (const TokenId id : ids) joined += opened->Piece(id);
      ASSERT_EQ(joined, text) << begin << " to " << end;
    }
  }
}

TEST(SpecialTokens, ManyRangesAreHeldApart) {
  OpenedGguf opened(ByteLevel({{"<|im_end|>", kControl}}, {}, "gpt-2"));
  std::string text;
  std::vector<TextRange> data;
  for (int i = 0; i < 50; ++i) {
    text += "<|im_end|>";
    data.push_back({text.size(), text.size() + 12});
    text += "x<|im_end|>x";
  }
  const Ids ids =
      opened.Encode(text, {.parse_control = true, .data = data.data(), .n_data = data.size()});
  EXPECT_EQ(std::count(ids.begin(), ids.end(), kMore), 50);
  EXPECT_EQ(ids.size(), 50u * 13);
}

TEST(SpecialTokens, UserDefinedOnesAreFoundInAUsersBytesToo) {
  OpenedGguf opened = Open();
  const TextRange data = {0, 8};
  EXPECT_EQ(opened.Pieces("a<t>x<t>", {.parse_control = true, .data = &data, .n_data = 1}),
            (Texts{"a", "<t>x", "<t>"}));
}

// The text between special tokens is one text, whoever wrote its parts.
TEST(SpecialTokens, ARangesBordersSplitNoWords) {
  OpenedGguf opened(ByteLevel({{"ab"}}, {"a b"}, "gpt-2"));
  const TextRange data = {1, 2};
  EXPECT_EQ(opened.Pieces("ab", {.parse_control = true, .data = &data, .n_data = 1}),
            (Texts{"ab"}));
}

// Compares all texts of a few characters with the stated rule.
TEST(SpecialTokens, AgreeWithTryingEveryTokenAtEveryPlace) {
  const std::vector<GgufToken> tokens = {{"aa", kUserDefined}, {"aab", kControl},
                                         {"ba", kUserDefined}, {"abab", kUserDefined},
                                         {"bbb", kControl},    {"c", kControl}};
  OpenedGguf opened(ByteLevel(tokens, {}, "gpt-2"));
  std::mt19937 random(9);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t n = random() % 14; n > 0; --n) text += "abc"[random() % 3];
    const bool control = round % 2 == 0;
    Ids expected;
    for (size_t at = 0; at < text.size();) {
      size_t best = 1;
      TokenId id = static_cast<uint8_t>(text[at]);
      for (size_t t = 0; t < tokens.size(); ++t) {
        const std::string& token = tokens[t].text;
        if (tokens[t].kind == kControl && !control) continue;
        if (text.compare(at, token.size(), token) != 0) continue;
        if (token.size() < best || (token.size() == best && id >= kMore)) continue;
        best = token.size();
        id = kMore + static_cast<TokenId>(t);
      }
      expected.push_back(id);
      at += best;
    }
    ASSERT_EQ(opened.Encode(text, {.parse_control = control}), expected) << text << control;
  }
}

// Thousands of tokens with common beginnings, and a text that consists of these beginnings.
TEST(SpecialTokens, ATextOfBeginningsIsSearched) {
  std::vector<GgufToken> tokens;
  for (int i = 0; i < 6000; ++i) {
    tokens.push_back({std::string(200, 'a') + "<unused" + std::to_string(i) + ">", kUserDefined});
  }
  OpenedGguf opened(ByteLevel(tokens, {}, "gpt-2"));
  const std::string text(1 << 17, 'a');
  EXPECT_EQ(opened.Encode(text), Ids(text.size(), 'a'));
  EXPECT_EQ(opened.Encode(text + "<unused5999>").back(), kMore + 5999);
}

}  // namespace
}  // namespace clamma_test
