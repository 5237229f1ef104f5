// SPDX-License-Identifier: MIT
// Encodes texts to tokens and decodes tokens, with the vocabulary of a model: a SentencePiece
// vocabulary, whose tokens have scores (in llama2.c's format, or inside GGUF files), or a
// byte-level one, with merges by rank (inside GGUF files).
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

// Constant once opened, so any number of threads may use it.
class Tokenizer {
 public:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Reads the llama2.c vocabulary of exactly vocab_size tokens at [data, data + size), which must
  // outlive the tokenizer. Any bytes are safe; bytes that are not a vocabulary of that size are
  // refused. A plan does not read the bytes. `text_tokens` begin and end texts; nullptr: 1 and 2.
  Status Open(Memory& memory, const uint8_t* data, uint64_t size, uint32_t vocab_size,
              const TextTokens* text_tokens = nullptr);

  // Reads and copies the vocabulary in a GGUF file's metadata; it uses nothing else of the file.
  // The vocabulary must have at most vocab_size tokens, the number of rows of the model; 0: any
  // number. `pre` names the rule by which texts are split into words before merging; nullptr: the
  // one that the file names.
  Status Open(Memory& memory, const Gguf& gguf, uint32_t vocab_size = 0, const char* pre = nullptr);

  // One line about what is doubtful in the vocabulary; nullptr: nothing.
  const char* warning() const { return kHasGguf ? rules()->warning.data() : nullptr; }

  uint32_t vocab_size() const { return vocabulary_.size(); }
  size_t longest_token() const { return vocabulary_.longest_token(); }  // bytes

  struct EncodeOptions {
    bool bos = false;                 // begin with BOS, if there is one
    bool dummy_prefix = false;        // encode as if a space stood before the text, and before the
                                      // text after a control token (unless that is empty)
    bool eos = false;                 // end with EOS, if there is one
    bool parse_control = false;       // names of control tokens in the text become these tokens ...
    const TextRange* data = nullptr;  // (n_data) ... unless they touch a range; sorted and disjoint
    size_t n_data = 0;
  };

  // Writes the encoding of `text` to *tokens from index *count on, grows the array as needed, and
  // advances *count. Takes O(n log n). User-defined tokens match wherever their texts occur, the
  // longest first. Bytes that are not UTF-8, or have no token, become byte tokens; the texts of
  // padding and byte tokens never match. Byte-level vocabularies may lack tokens for invalid UTF-8
  // and control characters; these are left out. If the rule of the vocabulary requires it, texts
  // between special tokens are normalized to NFC first. A plan does not read the text, and counts a
  // token for each possible byte.
  Status Encode(Memory& memory, std::string_view text, const EncodeOptions& options,
                Array<TokenId>* tokens, size_t* count) const;

  TokenId bos() const { return vocabulary_.bos(); }  // kNoToken: there is none
  TokenId eos() const { return vocabulary_.eos(); }
  // Whether texts begin with BOS and with a space, as those of llama2.c do, and end with EOS.
  bool adds_bos() const { return !kHasGguf || adds_bos_; }
  bool adds_prefix() const { return !kHasGguf || adds_prefix_; }
  bool adds_eos() const { return kHasGguf && adds_eos_; }
  // Whether the token ends a text: EOS and similar tokens, or BOS, which begins the next text.
  bool EndsText(TokenId token) const { return vocabulary_.EndsText(token); }
  // Whether the model may generate the token: not padding, unused or the unknown token.
  bool IsGenerated(TokenId token) const { return vocabulary_.IsGenerated(token); }
  // The number of tokens that it may not generate.
  uint32_t never_generated() const { return vocabulary_.never_generated(); }

  // Whether it is a control token or the unknown token, which have no bytes, and which no text of a
  // user becomes.
  bool IsSilent(TokenId token) const {
    return IsValid(token) &&
           (kind(token) == TokenKind::kControl || kind(token) == TokenKind::kUnknown);
  }

  // The token's bytes: the raw byte of a byte token; none for control tokens such as BOS and EOS,
  // for the unknown token, and for ids out of range. Valid as long as the vocabulary.
  std::string_view Bytes(TokenId token) const { return vocabulary_.Bytes(token); }

  // The text of any token, with spaces in place of SentencePiece's U+2581: "<|im_end|>" for a
  // control token, "<0x0A>" for a byte token. Empty for ids out of range.
  std::string_view Piece(TokenId token) const {
    return IsValid(token) ? vocabulary_.Text(token) : std::string_view();
  }
  // The first token with that Piece(), or kNoToken.
  TokenId Find(std::string_view piece) const { return vocabulary_.Find(piece, kAnyKind); }
  // `token` must be valid.
  TokenKind kind(TokenId token) const { return vocabulary_.kind(token); }

  bool IsValid(TokenId token) const { return vocabulary_.IsValid(token); }

 private:
  // What GGUF vocabularies have in addition to their tokens.
  struct Rules {
    const TokenizerKind* kind = nullptr;  // nullptr: llama2.c's format
    SpecialTokens special_tokens;
    RankMerges merges;
    const Pretokenizer* pretokenizer = nullptr;
    bool strips_right = false;  // control tokens consume the white space after them
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
