// SPDX-License-Identifier: MIT
// Texts to tokens and back, by whatever vocabulary a model comes with: of SentencePiece's kind,
// whose tokens have scores (in llama2.c's format, or inside GGUF files), or byte-level, with merges
// by rank (inside GGUF files).
#ifndef CLAMMA_TOKENIZER_TOKENIZER_H_
#define CLAMMA_TOKENIZER_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "kernels/kernels.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "platform/text.h"
#include "tokenizer/rank_merges.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/vocabulary.h"

namespace clamma {

class Gguf;
struct TextTokens;
struct Pretokenizer;
struct TokenizerKind;

// Constant once opened: any number of threads may use it.
class Tokenizer {
 public:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Reads the llama2.c vocabulary of exactly vocab_size tokens at [data, data + size), which must
  // outlive this. Any bytes are safe; what is no vocabulary of that size is refused. A plan does
  // not look at the bytes. `text_tokens`: which begin and end texts; nullptr: 1 and 2.
  Status Open(Memory& memory, const uint8_t* data, uint64_t size, uint32_t vocab_size,
              const TextTokens* text_tokens = nullptr);

  // Reads the vocabulary in a GGUF file's metadata, which is all that it looks at, and copies it.
  // It has at most vocab_size tokens, for so many the model has rows; 0: any number. `pre` names
  // the rule by which texts are split into words before merging, nullptr: the file does.
  Status Open(Memory& memory, const Gguf& gguf, uint32_t vocab_size = 0, const char* pre = nullptr);

  // What is doubtful about the vocabulary, in a line; nullptr: nothing.
  const char* warning() const { return kHasGguf ? rules()->warning.data() : nullptr; }

  uint32_t vocab_size() const { return vocabulary_.size(); }
  size_t longest_token() const { return vocabulary_.longest_token(); }  // bytes

  struct EncodeOptions {
    bool bos = false;                 // begin with BOS, if there is one
    bool dummy_prefix = false;        // encode as if a space stood before the text, and before what
                                      // follows a control token (unless it is empty)
    bool eos = false;                 // end with EOS, if there is one
    bool parse_control = false;       // texts of control tokens in the text become these tokens ...
    const TextRange* data = nullptr;  // ... unless they touch one of these: sorted and disjoint
    size_t n_data = 0;
  };

  // Appends the encoding of `text` to *tokens from index *count on, growing it as needed, in
  // O(n log n). Tokens defined by users are taken whole wherever their texts stand, the longest
  // first. Bytes that are no UTF-8, or no token, become byte tokens; padding and byte tokens are
  // never matched by text. Byte-level vocabularies may lack tokens for bytes of no UTF-8 and
  // control characters; these are left out. Where the rule of the vocabulary asks for it, texts
  // between special tokens are brought into NFC first. A plan does not look at the text, and counts
  // a token for each byte that there can be.
  Status Encode(Memory& memory, std::string_view text, const EncodeOptions& options,
                Array<TokenId>* tokens, size_t* count) const;

  TokenId bos() const { return vocabulary_.bos(); }  // kNoToken: there is none
  TokenId eos() const { return vocabulary_.eos(); }
  // Whether texts begin with BOS and with a space, as those of llama2.c do, and end with EOS.
  bool adds_bos() const { return !kHasGguf || adds_bos_; }
  bool adds_prefix() const { return !kHasGguf || adds_prefix_; }
  bool adds_eos() const { return kHasGguf && adds_eos_; }
  // Whether a text ends with the token: EOS and the like, or BOS, which begins the next.
  bool EndsText(TokenId token) const { return vocabulary_.EndsText(token); }
  // Whether the model may generate it: it is no padding, and not the unknown token.
  bool IsGenerated(TokenId token) const { return vocabulary_.IsGenerated(token); }
  uint32_t never_generated() const { return vocabulary_.never_generated(); }  // of vocab_size()

  // Control tokens and the unknown one: no text of a user gives them, and they give none.
  bool IsSilent(TokenId token) const {
    return IsValid(token) &&
           (kind(token) == TokenKind::kControl || kind(token) == TokenKind::kUnknown);
  }

  // The token's bytes: raw ones for byte tokens, none for control tokens as BOS and EOS, and
  // unknown ones (and for ids out of range). Valid as long as the vocabulary.
  std::string_view Bytes(TokenId token) const { return vocabulary_.Bytes(token); }

  // The text of any token, with spaces for what SentencePiece writes U+2581 for: "<|im_end|>" of a
  // control token, "<0x0A>" of a byte token. Nothing for ids out of range.
  std::string_view Piece(TokenId token) const {
    return IsValid(token) ? vocabulary_.Text(token) : std::string_view();
  }
  // The first token whose Piece() that is, or kNoToken.
  TokenId Find(std::string_view piece) const { return vocabulary_.Find(piece, kAnyKind); }
  // Of a valid token.
  TokenKind kind(TokenId token) const { return vocabulary_.kind(token); }

  bool IsValid(TokenId token) const { return vocabulary_.IsValid(token); }

 private:
  // What GGUF vocabularies have beyond their tokens.
  struct Rules {
    const TokenizerKind* kind = nullptr;  // nullptr: of llama2.c
    SpecialTokens special_tokens;
    RankMerges merges;
    const Pretokenizer* pretokenizer = nullptr;
    bool strips_right = false;  // control tokens take the white space behind them
    Array<char> warning;
  };
  struct NoRules {};
  static Rules* AddressOf(Rules* rules) { return rules; }
  static Rules* AddressOf(NoRules* /*rules*/) { return nullptr; }
  static const Rules* AddressOf(const Rules* rules) { return rules; }
  static const Rules* AddressOf(const NoRules* /*rules*/) { return nullptr; }
  Rules* rules() { return AddressOf(&rules_); }  // nullptr in builds without GGUF
  const Rules* rules() const { return AddressOf(&rules_); }

  friend struct TokenizerKind;
  Status ReadFlags(const Gguf& gguf, bool adds_bos);
  Status OpenScores(Memory& memory, const Gguf& gguf, const char* pre);
  Status OpenRanks(Memory& memory, const Gguf& gguf, const char* pre);
  Status ChoosePretokenizer(Memory& memory, const Gguf& gguf, const char* pre);

  Status EncodePlain(Memory& memory, std::string_view text, const EncodeOptions& options,
                     Array<TokenId>* tokens, size_t* count) const;
  template <typename OnText, typename OnToken>
  void ForEachPart(std::string_view text, const EncodeOptions& options, bool marks_are_spaces,
                   OnText on_text, OnToken on_token) const;
  template <typename Encoder>
  Status EncodeParts(Memory& memory, std::string_view text, const EncodeOptions& options,
                     Array<TokenId>* tokens, size_t* count) const;

  Vocabulary vocabulary_;
  [[no_unique_address]] std::conditional_t<kHasGguf, Rules, NoRules> rules_;
  bool adds_bos_ = true;
  bool adds_eos_ = false;
  bool adds_prefix_ = true;
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_TOKENIZER_H_
