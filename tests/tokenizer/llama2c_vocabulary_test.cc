// SPDX-License-Identifier: MIT
#include "tokenizer/llama2c_vocabulary.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/model_file.h"
#include "temporary_folder.h"
#include "tokenizer/tokenizer.h"

namespace clamma {
namespace {

using Tokens = std::vector<TokenId>;

// Returns the file of a vocabulary with these texts, all of score 0.
std::vector<uint8_t> FileOf(const std::vector<std::string>& texts) {
  std::vector<uint8_t> bytes(4);
  for (const std::string& text : texts) {
    const size_t at = bytes.size();
    bytes.resize(at + 8);
    for (size_t k = 0; k < 4; ++k) bytes[at + 4 + k] = static_cast<uint8_t>(text.size() >> 8 * k);
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  return bytes;
}

std::vector<uint8_t> VocabularyOf(uint32_t tokens) {
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < tokens; ++i) texts.emplace_back(i % 300, 'x');
  return FileOf(texts);
}

uint32_t Count(const clamma_test::TemporaryFolder& folder, const std::vector<uint8_t>& bytes) {
  File file;
  EXPECT_TRUE(file.Open(folder.Write("counted.bin", bytes).c_str(), "").ok());
  return CountLlama2cTokens(file);
}

TEST(CountLlama2cTokens, CountsThoseOfAWholeFile) {
  const clamma_test::TemporaryFolder folder;
  for (const uint32_t tokens : {1u, 2u, 3u, 259u, 1000u}) {
    EXPECT_EQ(Count(folder, VocabularyOf(tokens)), tokens);
  }
}

TEST(CountLlama2cTokens, IsZeroForWhatIsNoVocabulary) {
  const clamma_test::TemporaryFolder folder;
  std::vector<uint8_t> bytes = VocabularyOf(40);
  bytes.push_back(0);
  EXPECT_EQ(Count(folder, bytes), 0u) << "a byte too many";
  bytes.resize(bytes.size() - 2);
  EXPECT_EQ(Count(folder, bytes), 0u) << "a byte too few";
  EXPECT_EQ(Count(folder, {}), 0u);
  EXPECT_EQ(Count(folder, {1, 2, 3}), 0u);
  EXPECT_EQ(Count(folder, std::vector<uint8_t>(12, 0xff)), 0u) << "a negative length";
  EXPECT_EQ(Count(folder, {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0}), 0u) << "longer than any token";
}

// A vocabulary and its file.
struct Opened {
  Opened(const std::vector<std::string>& texts, const TextTokens* text_tokens)
      : bytes(FileOf(texts)) {
    const Status status = tokenizer.Open(memory, bytes.data(), bytes.size(),
                                         static_cast<uint32_t>(texts.size()), text_tokens);
    EXPECT_TRUE(status.ok()) << status.message();
  }

  Tokens Encode(std::string_view text, bool marks = false) {
    Tokenizer::EncodeOptions options;
    options.bos = options.eos = marks;
    Array<TokenId> tokens;
    size_t count = 0;
    EXPECT_TRUE(tokenizer.Encode(memory, text, options, &tokens, &count).ok());
    return {tokens.data(), tokens.data() + count};
  }
  Tokens Ends() const {
    Tokens ends;
    for (TokenId id = 0; tokenizer.IsValid(id); ++id) {
      if (tokenizer.EndsText(id)) ends.push_back(id);
    }
    return ends;
  }

  std::vector<uint8_t> bytes;
  Memory memory;
  Tokenizer tokenizer;
};

const std::vector<std::string> kTexts = {"<unk>", "\n<s>\n", "\n</s>\n", "a",         " ",
                                         "é",     "b",       "",         "<|im_end|>"};

TEST(Llama2cVocabulary, ARunOfUnknownCharactersIsOneToken) {
  Opened opened(kTexts, nullptr);
  EXPECT_EQ(opened.Encode("a"), (Tokens{3}));
  EXPECT_EQ(opened.Encode("c"), (Tokens{0}));
  EXPECT_EQ(opened.Encode("日本語"), (Tokens{0}));
  EXPECT_EQ(opened.Encode("xa日本 é\xff\xfe x"), (Tokens{0, 3, 0, 4, 5, 0, 4, 0}));
  EXPECT_EQ(opened.Encode("xx", true), (Tokens{1, 0, 2}));
}

TEST(Llama2cVocabulary, TextsBeginAndEndWithTokens1And2) {
  Opened opened(kTexts, nullptr);
  EXPECT_EQ(opened.Encode("ab", true), (Tokens{1, 3, 6, 2}));
  EXPECT_EQ(opened.Ends(), (Tokens{1, 2})) << "the beginning ends what was before it";
}

TEST(Llama2cVocabulary, TextsBeginAndEndAsTheModelSays) {
  TextTokens text_tokens;
  text_tokens.is_said = true;
  text_tokens.bos = 6;
  text_tokens.n_ends = 2;
  text_tokens.ends[0] = 8;
  text_tokens.ends[1] = 7;
  Opened opened(kTexts, &text_tokens);
  EXPECT_EQ(opened.tokenizer.bos(), 6);
  EXPECT_EQ(opened.tokenizer.eos(), 8);
  EXPECT_EQ(opened.Ends(), (Tokens{6, 7, 8}));
  EXPECT_TRUE(opened.tokenizer.adds_bos());
  EXPECT_EQ(opened.tokenizer.Bytes(8), "") << "no text, as of all control tokens";
  EXPECT_EQ(opened.tokenizer.Piece(8), "<|im_end|>");
  EXPECT_EQ(opened.Encode("a", true), (Tokens{6, 3, 8}));
  EXPECT_EQ(opened.Encode("b"), (Tokens{0})) << "no text of a user becomes a control token";
}

TEST(Llama2cVocabulary, AModelMayHaveNeitherBeginningNorEnd) {
  TextTokens text_tokens;
  text_tokens.is_said = true;
  Opened opened(kTexts, &text_tokens);
  EXPECT_EQ(opened.tokenizer.bos(), kNoToken);
  EXPECT_EQ(opened.tokenizer.eos(), kNoToken);
  EXPECT_FALSE(opened.tokenizer.adds_bos());
  EXPECT_EQ(opened.Ends(), Tokens());
  EXPECT_EQ(opened.Encode("a", true), (Tokens{3}));
}

}  // namespace
}  // namespace clamma
