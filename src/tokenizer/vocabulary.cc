// SPDX-License-Identifier: MIT
#include "tokenizer/vocabulary.h"

#include "platform/clock.h"
#include "platform/hash.h"
#include "platform/text.h"

namespace clamma {
namespace {

int UpperHexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Every byte once: Bytes() of a byte token is a view of one of these.
struct AllBytes {
  char bytes[256] = {};
  constexpr AllBytes() {
    for (int i = 0; i < 256; ++i) bytes[i] = static_cast<char>(static_cast<uint8_t>(i));
  }
};
constexpr AllBytes kAllBytes;

constexpr uint32_t kSilent = Kinds(TokenKind::kControl) | Kinds(TokenKind::kUnknown);
// Kinds that share their texts: of tokens with equal texts, only the first is found.
constexpr uint32_t kMatched = Kinds(TokenKind::kNormal) | Kinds(TokenKind::kUserDefined);

uint32_t GroupOf(TokenKind kind) {
  if (!kHasGguf) return kAnyKind;
  const uint32_t bit = Kinds(kind);
  return (bit & kMatched) != 0 ? kMatched : (bit & kSilent) != 0 ? kSilent : bit;
}

}  // namespace

int RawByteOf(std::string_view text) {
  if (text.size() != 6 || !StartsWith(text, "<0x") || text[5] != '>') return -1;
  const int high = UpperHexDigit(text[3]);
  const int low = UpperHexDigit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void Vocabulary::Set(TokenId token, std::string_view text, float score, TokenKind kind) {
  const auto length = static_cast<uint32_t>(text.size());
  const uint32_t info = length | uint32_t{static_cast<uint8_t>(kind)} << kKindShift;
  tokens_[static_cast<size_t>(token)] = {text.data(), info, score};
  if (kHasGguf && kind == TokenKind::kUnused) has_unused_ = true;
  if (length > longest_token_) longest_token_ = length;
}

void Vocabulary::SetKind(TokenId token, TokenKind kind) {
  uint32_t& info = tokens_[static_cast<size_t>(token)].info;
  info = (info & ~(7u << kKindShift)) | uint32_t{static_cast<uint8_t>(kind)} << kKindShift;
}

void Vocabulary::SetFlag(TokenId token, uint32_t flag, bool value) {
  uint32_t& info = tokens_[static_cast<size_t>(token)].info;
  info = value ? info | flag : info & ~flag;
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
    // In llama2.c's vocabularies only normal tokens are looked up.
    if (!kHasGguf && kind(id) != TokenKind::kNormal) continue;
    if (text.empty() || Find(text, GroupOf(kind(id))) >= 0) continue;
    size_t slot = FirstSlot(text);
    while (index_[slot] >= 0) slot = (slot + 1) & (index_.size() - 1);
    index_[slot] = id;
  }
  return Status();
}

void Vocabulary::FindByteTokens(bool byte_level, TokenId missing) {
  for (TokenId& token : byte_tokens_) token = missing;
  // Of several tokens for a byte the first is used.
  for (auto id = static_cast<TokenId>(size()); id-- > 0;) {
    const std::string_view text = Text(id);
    if (kHasGguf && byte_level) {
      if (kind(id) == TokenKind::kNormal && text.size() == 1) {
        byte_tokens_[static_cast<uint8_t>(text[0])] = id;
      }
    } else if (kind(id) == TokenKind::kByte) {
      byte_tokens_[RawByteOf(text)] = id;
    }
  }
}

size_t Vocabulary::FirstSlot(std::string_view text) const {
  return static_cast<size_t>(SeededHash(hash_seed_, text)) & (index_.size() - 1);
}

TokenId Vocabulary::Find(std::string_view text, uint32_t kinds) const {
  // The loop ends because at most half of the slots are in use.
  for (size_t slot = FirstSlot(text);; slot = (slot + 1) & (index_.size() - 1)) {
    const TokenId id = index_[slot];
    if (id < 0) return id;
    if (kHasGguf && (kinds & Kinds(kind(id))) == 0) continue;
    if (Text(id) == text) return id;
  }
}

}  // namespace clamma
