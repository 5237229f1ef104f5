// SPDX-License-Identifier: MIT
// Generates vocabularies in GGUF files without tensors, and encodes texts with them.
//
//   ByteLevel made({{"<|im_end|>", kControl}, {"ab"}}, {"a b"});  // after a token for each byte
//   OpenedGguf opened(made.file());
//   opened.Pieces("ab<|im_end|>", {.parse_control = true});  // {"ab", "<|im_end|>"}
#ifndef CLAMMA_TESTS_SUPPORT_TOKENIZER_VOCABULARIES_H_
#define CLAMMA_TESTS_SUPPORT_TOKENIZER_VOCABULARIES_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gguf_bytes.h"
#include "model/files/gguf.h"
#include "platform/memory.h"
#include "tokenizer/tokenizer.h"

namespace clamma_test {

// The numbers in GGUF files.
inline constexpr int32_t kNormal = 1;
inline constexpr int32_t kUnknown = 2;
inline constexpr int32_t kControl = 3;
inline constexpr int32_t kUserDefined = 4;
inline constexpr int32_t kUnused = 5;
inline constexpr int32_t kByte = 6;

struct GgufToken {
  std::string text;
  int32_t kind = kNormal;
  float score = 0;
};

// Returns GPT-2's character for a byte, in UTF-8. Bytes that are not printable in Latin-1 are
// numbered.
inline std::string AlphabetOf(uint8_t byte) {
  const auto is_printable = [](int b) {
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad);
  };
  int code = byte;
  if (!is_printable(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += is_printable(b) ? 0 : 1;
  }
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}
inline std::string AlphabetOf(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += AlphabetOf(static_cast<uint8_t>(c));
  return text;
}

inline void AddTokens(const std::vector<GgufToken>& tokens, GgufBytes* file) {
  std::vector<std::string> texts;
  std::vector<int32_t> kinds;
  std::vector<float> scores;
  for (const GgufToken& token : tokens) {
    texts.push_back(token.text);
    kinds.push_back(token.kind);
    scores.push_back(token.score);
  }
  file->AddArray("tokenizer.ggml.tokens", texts);
  file->AddArray("tokenizer.ggml.token_type", kinds);
  file->AddArray("tokenizer.ggml.scores", scores);
}

// A byte-level vocabulary: a token for each byte, whose id is the byte, then `more`, texts as in
// files. `pre` may be empty.
inline GgufBytes ByteLevel(const std::vector<GgufToken>& more,
                           const std::vector<std::string>& merges, const std::string& pre) {
  std::vector<GgufToken> tokens;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back({AlphabetOf(static_cast<uint8_t>(byte))});
  }
  tokens.insert(tokens.end(), more.begin(), more.end());
  GgufBytes file;
  file.Add("tokenizer.ggml.model", "gpt2");
  if (!pre.empty()) file.Add("tokenizer.ggml.pre", pre);
  AddTokens(tokens, &file);
  file.AddArray("tokenizer.ggml.merges", merges);
  return file;
}
inline constexpr clamma::TokenId kMore = 256;  // the first of `more`

// A SentencePiece vocabulary: <unk>, <s>, </s>, byte tokens, then `more`.
inline GgufBytes Pieces(const std::vector<GgufToken>& more) {
  std::vector<GgufToken> tokens = {{"<unk>", kUnknown}, {"<s>", kControl}, {"</s>", kControl}};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    tokens.push_back({{'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'}, kByte});
  }
  tokens.insert(tokens.end(), more.begin(), more.end());
  GgufBytes file;
  file.Add("tokenizer.ggml.model", "llama");
  AddTokens(tokens, &file);
  return file;
}
inline constexpr clamma::TokenId kMorePieces = 259;

using Ids = std::vector<clamma::TokenId>;
using Texts = std::vector<std::string>;

// An opened vocabulary. Its file may have any content.
class OpenedGguf {
 public:
  explicit OpenedGguf(const GgufBytes& file, const char* pre = nullptr, uint32_t vocab_size = 0)
      : bytes_(file.Build()) {
    uint64_t wanted = 0;
    status_ = gguf_.Parse(gguf_memory_, bytes_.data(), bytes_.size(), bytes_.size(), &wanted);
    if (status_.ok()) status_ = tokenizer_.Open(memory_, gguf_, vocab_size, pre);
    if (!status_.ok()) return;
    clamma::Tokenizer planned;
    EXPECT_TRUE(planned.Open(plan_, gguf_, vocab_size, pre).ok());
    EXPECT_LE(memory_.bytes_in_use(), plan_.planned_bytes());
    EXPECT_LE(tokenizer_.never_generated(), planned.never_generated());
    EXPECT_EQ(tokenizer_.longest_token(), planned.longest_token());
  }

  // Encoding never takes more memory than a plan for the text's size counts.
  Ids Encode(std::string_view text, const clamma::Tokenizer::EncodeOptions& options = {}) {
    clamma::Array<clamma::TokenId> tokens;
    size_t count = 0;
    const clamma::Status status = tokenizer_.Encode(memory_, text, options, &tokens, &count);
    EXPECT_TRUE(status.ok()) << status.message();
    clamma::Memory plan((clamma::Memory::Plan()));
    clamma::Array<clamma::TokenId> planned;
    size_t most = 0;
    EXPECT_TRUE(tokenizer_.Encode(plan, text, options, &planned, &most).ok());
    EXPECT_LE(count, most) << text;
    EXPECT_LE(tokens.size(), most) << text;
    return {tokens.data(), tokens.data() + count};
  }
  Texts Pieces(std::string_view text, const clamma::Tokenizer::EncodeOptions& options = {}) {
    Texts pieces;
    for (const clamma::TokenId id : Encode(text, options)) {
      pieces.emplace_back(tokenizer_.Piece(id));
    }
    return pieces;
  }
  std::string Decode(const Ids& ids) const {
    std::string text;
    for (const clamma::TokenId id : ids) text += tokenizer_.Bytes(id);
    return text;
  }

  const clamma::Status& status() const { return status_; }
  const clamma::Tokenizer& tokenizer() const { return tokenizer_; }
  const clamma::Tokenizer* operator->() const { return &tokenizer_; }

 private:
  std::vector<uint8_t> bytes_;
  clamma::Memory gguf_memory_;
  clamma::Memory memory_;
  clamma::Memory plan_{clamma::Memory::Plan()};
  clamma::Gguf gguf_;
  clamma::Tokenizer tokenizer_;
  clamma::Status status_;
};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_TOKENIZER_VOCABULARIES_H_
