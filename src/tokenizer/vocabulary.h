// SPDX-License-Identifier: MIT
// The tokens of a vocabulary: their bytes, kinds and scores, the tokens that stand for single
// bytes, and those that begin and end texts. The readers of all formats fill in a Vocabulary.
#ifndef CLAMMA_TOKENIZER_VOCABULARY_H_
#define CLAMMA_TOKENIZER_VOCABULARY_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/kernels.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

using TokenId = int;  // tok_id_t
static_assert(sizeof(TokenId) == 4);

inline constexpr TokenId kNoToken = -1;

// The numbers are those of SentencePiece (sentencepiece_model.proto) and tokenizer.ggml.token_type.
enum class TokenKind : uint8_t {
  kNormal = 1,
  kUnknown = 2,      // has no bytes
  kControl = 3,      // begins, ends or marks parts of texts, and has no bytes
  kUserDefined = 4,  // matches wherever its text occurs
  kUnused = 5,       // never the result of an encoding
  kByte = 6,         // "<0xHH>", which stands for that byte
};

// A set of kinds.
constexpr uint32_t Kinds(TokenKind kind) { return 1u << static_cast<unsigned>(kind); }
inline constexpr uint32_t kAnyKind = UINT32_MAX;

// U+2581, which stands for a space in SentencePiece.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

// Far longer than any real token; bounds the buffer in which a session assembles characters.
inline constexpr int32_t kMaxTokenBytes = 1 << 16;

// The byte that "<0xHH>" stands for, or -1.
int RawByteOf(std::string_view text);

// Constant once filled in, so any number of threads may use it.
class Vocabulary {
 public:
  uint32_t size() const { return static_cast<uint32_t>(tokens_.size()); }
  bool IsValid(TokenId token) const { return token >= 0 && static_cast<uint32_t>(token) < size(); }
  size_t longest_token() const { return longest_token_; }  // bytes

  // These need a valid token. The text of a byte token is "<0xHH>"; spaces are spaces, not U+2581.
  std::string_view Text(TokenId token) const {
    const Entry& entry = At(token);
    return {entry.text, entry.info & kLength};
  }
  TokenKind kind(TokenId token) const {
    return static_cast<TokenKind>(At(token).info >> kKindShift & 7);
  }
  float score(TokenId token) const { return At(token).score; }

  // These accept any id. Bytes() is what the token adds to a text.
  std::string_view Bytes(TokenId token) const;
  bool EndsText(TokenId token) const { return Has(token, kEndsText); }
  // In builds without GGUF, which read only llama2.c's vocabularies, every token may be generated.
  bool IsGenerated(TokenId token) const {
    return IsValid(token) && !(kHasGguf && Has(token, kNeverGenerated));
  }
  bool IsPadding(TokenId token) const { return Has(token, kPadding); }
  uint32_t never_generated() const {  // of a plan: an upper bound
    return kHasGguf ? n_never_generated_ : 0;
  }

  // The first token of these kinds with that text, or kNoToken.
  TokenId Find(std::string_view text, uint32_t kinds) const;
  TokenId byte_token(uint8_t byte) const { return byte_tokens_[byte]; }

  TokenId unknown() const { return unknown_; }  // these are kNoToken if there is none
  TokenId bos() const { return bos_; }
  TokenId eos() const { return eos_; }
  bool has_unused() const { return kHasGguf && has_unused_; }  // tokens of kind kUnused

  // For readers: allocate the tokens, and their texts unless these stay in place.
  Status Resize(Memory& memory, uint64_t n_tokens) { return tokens_.Resize(memory, n_tokens); }
  Status ResizeTexts(Memory& memory, uint64_t bytes) { return texts_.Resize(memory, bytes); }
  char* texts() { return texts_.data(); }
  // In place of Set(), for a plan.
  void PlanToken(size_t length, TokenKind kind) {
    if (length > longest_token_) longest_token_ = length;
    if (kind == TokenKind::kUnused) has_unused_ = true;
  }
  void Set(TokenId token, std::string_view text, float score, TokenKind kind);
  void SetKind(TokenId token, TokenKind kind);
  void SetEnd(TokenId token, bool ends) { SetFlag(token, kEndsText, ends); }
  void SetPadding(TokenId token) { SetFlag(token, kPadding, true); }
  void SetNeverGenerated(TokenId token) {
    SetFlag(token, kNeverGenerated, true);
    ++n_never_generated_;
  }
  void PlanNeverGenerated(uint32_t n) { n_never_generated_ = n; }
  void set_unknown(TokenId token) { unknown_ = token; }
  void set_bos(TokenId token) { bos_ = token; }
  void set_eos(TokenId token) { eos_ = token; }

  // Builds the index that Find() uses. A plan only allocates it.
  Status BuildIndex(Memory& memory);
  // Finds the tokens that stand for bytes: those of kind kByte or, in byte-level vocabularies,
  // normal ones. A byte without a token gets `missing`.
  void FindByteTokens(bool byte_level, TokenId missing);

 private:
  // The fields of Entry::info: the text's length, the kind, and flags.
  static constexpr uint32_t kLength = (1u << 20) - 1;
  static constexpr int kKindShift = 20;
  static constexpr uint32_t kEndsText = 1u << 24;
  static constexpr uint32_t kNeverGenerated = 1u << 25;
  static constexpr uint32_t kPadding = 1u << 26;
  static_assert(uint32_t{kMaxTokenBytes} <= kLength);

  struct alignas(16) Entry {  // 16 bytes, so that indexing is a shift
    const char* text;
    uint32_t info;
    float score;
  };

  const Entry& At(TokenId token) const { return tokens_[static_cast<size_t>(token)]; }
  bool Has(TokenId token, uint32_t flag) const {
    return IsValid(token) && (At(token).info & flag) != 0;
  }
  void SetFlag(TokenId token, uint32_t flag, bool value);
  size_t FirstSlot(std::string_view text) const;  // of index_, where the search begins

  Array<char> texts_;  // unless the texts are used in place
  Array<Entry> tokens_;
  Array<TokenId> index_;  // open-addressing hash table of token ids; kNoToken: free
  TokenId byte_tokens_[256] = {};
  TokenId unknown_ = kNoToken;
  TokenId bos_ = kNoToken;
  TokenId eos_ = kNoToken;
  bool has_unused_ = false;
  uint32_t n_never_generated_ = 0;
  size_t longest_token_ = 1;
  uint64_t hash_seed_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_VOCABULARY_H_
