// SPDX-License-Identifier: MIT
// Damaged files of llama2.c's vocabularies.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#include "tokenizer_fixture.h"

namespace clamma {
namespace {

// Opens a copy of exactly this size, so that a sanitizer sees every read beyond it.
Status Open(const std::vector<uint8_t>& bytes, uint32_t vocab_size) {
  const std::vector<uint8_t> copy(bytes);
  Memory memory;
  Status status;
  {
    Tokenizer tokenizer;
    status = tokenizer.Open(memory, copy.data(), copy.size(), vocab_size);
    if (status.ok()) {
      Array<TokenId> tokens;
      size_t count = 0;
      EXPECT_TRUE(
          tokenizer.Encode(memory, "ab \xc3\xa9<0x41>", {true, true, true}, &tokens, &count).ok());
      for (size_t i = 0; i < count; ++i) static_cast<void>(tokenizer.Bytes(tokens[i]));
    }
  }
  EXPECT_EQ(memory.bytes_in_use(), 0u);
  return status;
}

void ExpectRefused(const std::vector<uint8_t>& bytes, uint32_t vocab_size) {
  const Status status = Open(bytes, vocab_size);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_STRNE(status.message(), "");
}

Dictionary SmallDictionary() {
  return WithBytes({{"a", 0}, {"b", -1}, {"ab", 2}, {"\xc3\xa9", 1}});
}

// Fewer than the three tokens with a special meaning.
TEST(Tokenizer, ATinyVocabularyIsSafe) {
  const Dictionary tokens = {{"<unk>", 0}, {"<s>", 0}, {"</s>", 0}};
  for (size_t n = 0; n < tokens.size(); ++n) {
    const std::vector<uint8_t> bytes =
        FileOf({tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(n)});
    Memory memory;
    Tokenizer tokenizer;
    EXPECT_TRUE(tokenizer.Open(memory, bytes.data(), bytes.size(), static_cast<uint32_t>(n)).ok());
    EXPECT_EQ(tokenizer.vocab_size(), n);
    for (TokenId id = -1; id < 4; ++id) {
      EXPECT_EQ(tokenizer.EndsText(id), id == 1 && n > 1) << id;
      EXPECT_EQ(tokenizer.Bytes(id), "") << id;
    }
  }
}

TEST(Tokenizer, RefusesEveryCutDictionary) {
  const std::vector<uint8_t> whole = FileOf(SmallDictionary());
  const auto vocab_size = static_cast<uint32_t>(SmallDictionary().size());
  ASSERT_TRUE(Open(whole, vocab_size).ok());
  for (size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    ExpectRefused({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)}, vocab_size);
  }
}

TEST(Tokenizer, RefusesWhatFollowsTheLastToken) {
  std::vector<uint8_t> bytes = FileOf(SmallDictionary());
  for (int i = 0; i < 20; ++i) {
    bytes.push_back(0);
    SCOPED_TRACE(i);
    ExpectRefused(bytes, static_cast<uint32_t>(SmallDictionary().size()));
  }
}

TEST(Tokenizer, RefusesAnyOtherVocabularySize) {
  const std::vector<uint8_t> bytes = FileOf(SmallDictionary());
  const auto right = static_cast<uint32_t>(SmallDictionary().size());
  for (uint32_t wrong = 0; wrong < 2 * right; ++wrong) {
    if (wrong == right) continue;
    SCOPED_TRACE(wrong);
    ExpectRefused(bytes, wrong);
  }
  for (const uint32_t wrong : {1u << 21, 1u << 31, UINT32_MAX}) ExpectRefused(bytes, wrong);
}

TEST(Tokenizer, RefusesLengthsThatAreNegativeOrTooLarge) {
  const std::vector<uint8_t> whole = FileOf(SmallDictionary());
  const auto vocab_size = static_cast<uint32_t>(SmallDictionary().size());
  const size_t last = whole.size() - 2 - 4;  // where the length of the last token is
  for (const size_t at : {size_t{8}, last}) {
    for (const int32_t length : {-1, -2, -8, INT32_MIN, INT32_MAX, INT32_MIN + 1, 65537, 1 << 24,
                                 static_cast<int32_t>(whole.size()) + 1}) {
      SCOPED_TRACE(testing::Message() << length << " at byte " << at);
      std::vector<uint8_t> bytes = whole;
      for (size_t i = 0; i < 4; ++i) {
        bytes[at + i] = static_cast<uint8_t>(static_cast<uint32_t>(length) >> 8 * i);
      }
      ExpectRefused(bytes, vocab_size);
    }
  }
}

TEST(Tokenizer, ByteFlipsNeverCrash) {
  const std::vector<uint8_t> whole = FileOf(SmallDictionary());
  std::mt19937 random(6);
  for (int i = 0; i < 3000; ++i) {
    std::vector<uint8_t> bytes = whole;
    for (size_t flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    const Status status = Open(bytes, static_cast<uint32_t>(SmallDictionary().size()));
    EXPECT_EQ(status.ok(), std::string_view(status.message()).empty()) << status.message();
  }
}

}  // namespace
}  // namespace clamma
