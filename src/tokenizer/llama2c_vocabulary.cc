// SPDX-License-Identifier: MIT
#include "tokenizer/llama2c_vocabulary.h"

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

}  // namespace

Status ReadLlama2cVocabulary(Memory& memory, const uint8_t* data, uint64_t size,
                             uint32_t vocab_size, Vocabulary* vocabulary) {
  const auto tokens = static_cast<unsigned>(vocab_size);
  // Before anything is allocated for them: each token takes at least 8 bytes of the file.
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
  if (memory.is_plan()) return vocabulary->BuildIndex(memory);
  uint64_t at = 4;
  for (TokenId id = 0; vocabulary->IsValid(id); ++id) {
    if (size - at < 8) {
      return Status::Error(StatusCode::kCorrupt,
                           "the vocabulary ends after %u tokens, and this model has %u: is it for "
                           "another model, or cut short?",
                           static_cast<unsigned>(id), tokens);
    }
    const float score = ReadLeF32(data + at);
    const int32_t length = ReadLe32Signed(data + at + 4);
    at += 8;
    if (length < 0 || length > kMaxTokenBytes || static_cast<uint64_t>(length) > size - at) {
      return Status::Error(StatusCode::kCorrupt,
                           "not a vocabulary, or damaged: token %u is said to have %d bytes",
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
                         "the vocabulary goes on after this model's %u tokens: is it for another "
                         "model?",
                         tokens);
  }
  CLAMMA_RETURN_IF_ERROR(vocabulary->BuildIndex(memory));
  vocabulary->FindByteTokens(false, kUnknownToken);
  return Status();
}

}  // namespace clamma
