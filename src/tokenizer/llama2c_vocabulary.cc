// SPDX-License-Identifier: MIT
#include "tokenizer/llama2c_vocabulary.h"

#include <algorithm>
#include <string_view>

#include "platform/endian.h"

namespace clamma {
namespace {

constexpr TokenId kUnknownToken = 0;
constexpr TokenId kBosToken = 1;
constexpr TokenId kEosToken = 2;

TokenKind KindOf(TokenId token, std::string_view text) {
  if (token == kUnknownToken) return TokenKind::kUnknown;
  if (token <= kEosToken) return TokenKind::kControl;
  return RawByteOf(text) >= 0 ? TokenKind::kByte : TokenKind::kNormal;
}

void SetNames(const TextTokens& tokens, Vocabulary* vocabulary) {
  vocabulary->set_bos(tokens.bos);
  vocabulary->set_eos(tokens.n_ends == 0 ? kNoToken : tokens.ends[0]);
}

// Replaces the default BOS and EOS by the tokens that the model names.
void SetTextTokens(const TextTokens& tokens, Vocabulary* vocabulary) {
  for (const TokenId usual : {kBosToken, kEosToken}) vocabulary->SetEnd(usual, false);
  const auto mark = [vocabulary](TokenId token) {
    vocabulary->SetKind(token, TokenKind::kControl);
    vocabulary->SetEnd(token, true);
  };
  if (tokens.bos >= 0) mark(tokens.bos);
  for (uint32_t i = 0; i < tokens.n_ends; ++i) mark(tokens.ends[i]);
  SetNames(tokens, vocabulary);
}

}  // namespace

uint32_t CountLlama2cTokens(const File& file) {
  uint8_t bytes[4096];
  uint64_t first = 0;  // offset of `bytes` in the file
  size_t n = 0;
  uint64_t at = 4;
  uint32_t tokens = 0;
  for (; at < file.size(); ++tokens) {
    if (file.size() - at < 8) return 0;
    if (at + 8 > first + n) {
      first = at;
      n = static_cast<size_t>(std::min<uint64_t>(sizeof(bytes), file.size() - at));
      if (!file.Read(first, bytes, n).ok()) return 0;
    }
    const int32_t length = ReadLe32Signed(bytes + (at - first) + 4);
    at += 8;
    if (length < 0 || length > kMaxTokenBytes || static_cast<uint64_t>(length) > file.size() - at) {
      return 0;
    }
    at += static_cast<uint32_t>(length);
  }
  return tokens;
}

Status ReadLlama2cVocabulary(Memory& memory, const uint8_t* data, uint64_t size,
                             uint32_t vocab_size, const TextTokens* text_tokens,
                             Vocabulary* vocabulary) {
  const auto tokens = static_cast<unsigned>(vocab_size);
  // Checked before allocating anything: each token takes at least 8 bytes of the file.
  if (size < 4 || (size - 4) / 8 < vocab_size) {
    return Status::Error(
        StatusCode::kCorrupt,
        "the vocabulary is too small for this model's %u tokens: is it for another "
        "model, or cut short?",
        tokens);
  }
  CLAMMA_RETURN_IF_ERROR(vocabulary->Resize(memory, vocab_size));
  vocabulary->set_unknown(kUnknownToken);
  vocabulary->set_bos(kBosToken);
  vocabulary->set_eos(kEosToken);
  if (memory.is_plan()) {
    if (kHasGguf && text_tokens != nullptr) SetNames(*text_tokens, vocabulary);
    return vocabulary->BuildIndex(memory);
  }
  uint64_t at = 4;
  for (TokenId id = 0; vocabulary->IsValid(id); ++id) {
    if (size - at < 8) {
      return Status::Error(StatusCode::kCorrupt,
                           "the vocabulary ends after %u tokens, but this model has %u: is it for "
                           "another model, or cut short?",
                           static_cast<unsigned>(id), tokens);
    }
    const float score = ReadLeF32(data + at);
    const int32_t length = ReadLe32Signed(data + at + 4);
    at += 8;
    if (length < 0 || length > kMaxTokenBytes || static_cast<uint64_t>(length) > size - at) {
      return Status::Error(StatusCode::kCorrupt,
                           "not a vocabulary, or damaged: token %u claims to have %d bytes",
                           static_cast<unsigned>(id), static_cast<int>(length));
    }
    const auto n = static_cast<size_t>(length);
    const std::string_view text(reinterpret_cast<const char*>(data) + at, n);
    vocabulary->Set(id, text, score, KindOf(id, text));
    if (id == kBosToken || id == kEosToken) vocabulary->SetEnd(id, true);
    at += n;
  }
  if (at != size) {
    return Status::Error(StatusCode::kCorrupt,
                         "the vocabulary has more than this model's %u tokens: is it for another "
                         "model?",
                         tokens);
  }
  if constexpr (kHasGguf) {
    if (text_tokens != nullptr) SetTextTokens(*text_tokens, vocabulary);
  }
  CLAMMA_RETURN_IF_ERROR(vocabulary->BuildIndex(memory));
  vocabulary->FindByteTokens(false, kUnknownToken);
  return Status();
}

}  // namespace clamma
