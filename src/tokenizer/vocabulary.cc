// SPDX-License-Identifier: MIT
#include "tokenizer/vocabulary.h"

#include "platform/clock.h"
#include "platform/hash.h"
#include "platform/text.h"

namespace clamma {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Every byte once, for views of byte tokens.
struct AllBytes {
  char bytes[256] = {};
  constexpr AllBytes() {
    for (int i = 0; i < 256; ++i) bytes[i] = static_cast<char>(static_cast<uint8_t>(i));
  }
};
constexpr AllBytes kAllBytes;

constexpr uint32_t kSilent = Kinds(TokenKind::kControl) | Kinds(TokenKind::kUnknown);
// Kinds whose equal texts are one text: of those the first token counts.
constexpr uint32_t kMatched = Kinds(TokenKind::kNormal) | Kinds(TokenKind::kUserDefined);

uint32_t GroupOf(TokenKind kind) {
  const uint32_t bit = Kinds(kind);
  return (bit & kMatched) != 0 ? kMatched : (bit & kSilent) != 0 ? kSilent : bit;
}

}  // namespace

int RawByteOf(std::string_view text) {
  if (text.size() != 6 || !StartsWith(text, "<0x") || text[5] != '>') return -1;
  const int high = HexDigit(text[3]);
  const int low = HexDigit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

Status Vocabulary::ResizeTexts(Memory& memory, uint64_t bytes) {
  CLAMMA_RETURN_IF_ERROR(texts_.Resize(memory, bytes));
  data_ = texts_.data();
  return Status();
}

void Vocabulary::Set(TokenId token, uint64_t offset, size_t length, float score, TokenKind kind) {
  tokens_[static_cast<size_t>(token)] = {offset, static_cast<uint32_t>(length), score};
  SetKind(token, kind);
  if (length > longest_token_) longest_token_ = length;
}

void Vocabulary::SetKind(TokenId token, TokenKind kind) {
  uint64_t& place = tokens_[static_cast<size_t>(token)].place;
  place = (place & ~(uint64_t{7} << kKindShift)) | uint64_t{static_cast<uint8_t>(kind)}
                                                       << kKindShift;
  if (kind == TokenKind::kUnused) has_unused_ = true;
}

void Vocabulary::SetFlag(TokenId token, uint64_t flag, bool value) {
  uint64_t& place = tokens_[static_cast<size_t>(token)].place;
  place = value ? place | flag : place & ~flag;
}

std::string_view Vocabulary::Bytes(TokenId token) const {
  if (!IsValid(token) || (Kinds(kind(token)) & kSilent) != 0) return {};
  const std::string_view text = Text(token);
  if (kind(token) != TokenKind::kByte) return text;
  return {&kAllBytes.bytes[RawByteOf(text)], 1};
}

Status Vocabulary::BuildIndex(Memory& memory) {
  uint64_t slots = 16;
  while (slots < 2 * uint64_t{size()}) slots *= 2;
  CLAMMA_RETURN_IF_ERROR(index_.Resize(memory, slots));
  if (memory.is_plan()) return Status();
  hash_seed_ = SeedFromClock();
  for (size_t i = 0; i < index_.size(); ++i) index_[i] = kNoToken;
  for (TokenId id = 0; IsValid(id); ++id) {
    const std::string_view text = Text(id);
    if (text.empty() || Find(text, GroupOf(kind(id))) >= 0) continue;
    size_t slot = FirstSlot(text);
    while (index_[slot] >= 0) slot = (slot + 1) & (index_.size() - 1);
    index_[slot] = id;
  }
  return Status();
}

void Vocabulary::FindByteTokens(bool byte_level, TokenId missing) {
  for (TokenId& token : byte_tokens_) token = kNoToken;
  for (TokenId id = 0; IsValid(id); ++id) {
    const std::string_view text = Text(id);
    int byte = -1;
    if (!byte_level && kind(id) == TokenKind::kByte) byte = RawByteOf(text);
    if (byte_level && kind(id) == TokenKind::kNormal && text.size() == 1) {
      byte = static_cast<uint8_t>(text[0]);
    }
    if (byte >= 0 && byte_tokens_[byte] < 0) byte_tokens_[byte] = id;
  }
  for (TokenId& token : byte_tokens_) {
    if (token < 0) token = missing;
  }
}

size_t Vocabulary::FirstSlot(std::string_view text) const {
  return static_cast<size_t>(SeededHash(hash_seed_, text)) & (index_.size() - 1);
}

TokenId Vocabulary::Find(std::string_view text, uint32_t kinds) const {
  // At most half of the slots are taken, so this ends.
  for (size_t slot = FirstSlot(text);; slot = (slot + 1) & (index_.size() - 1)) {
    const TokenId id = index_[slot];
    if (id < 0 || ((kinds & Kinds(kind(id))) != 0 && Text(id) == text)) return id;
  }
}

}  // namespace clamma
