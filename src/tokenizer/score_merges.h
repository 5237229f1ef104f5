// SPDX-License-Identifier: MIT
// Score-driven byte-pair merging, as in SentencePiece
// (https://github.com/google/sentencepiece, bpe_model.cc): of all neighbours that form a token, the
// pair with the highest score (the leftmost of equals) merges first, until no neighbours form a
// token. A heap of candidates takes O(n log n), where rescanning the text after each merge would
// take O(n^2) for the same result.
#ifndef CLAMMA_TOKENIZER_SCORE_MERGES_H_
#define CLAMMA_TOKENIZER_SCORE_MERGES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "kernels/kernels.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/vocabulary.h"

namespace clamma {

// Merges one text after another, reusing the same memory.
class ScoreMerger {
 public:
  explicit ScoreMerger(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  // Reserves memory for texts of up to max_bytes bytes, including dummy prefixes.
  Status Reserve(Memory& memory, uint64_t max_bytes);

  // Encodes `text`, which must not be empty. With dummy_prefix a space precedes it.
  void Run(std::string_view text, bool dummy_prefix);

  size_t count() const { return count_; }  // an upper bound of the number of tokens
  size_t Take(TokenId* tokens);            // writes the tokens to (count()), returns their number

 private:
  // A part of the text that is a token, or a character without a token, in a doubly linked list.
  struct Symbol {
    uint32_t begin;
    uint32_t length;  // 0: merged into its left neighbour
    uint32_t previous;
    uint32_t next;
    TokenId token;
    bool is_invalid;  // a byte that is not part of a character: it never merges
  };
  struct Merge {
    float score;
    uint32_t left;    // index of the left symbol
    uint32_t length;  // of the merged text: shows whether the candidate is stale
    TokenId token;
  };
  struct Halves {  // the parts of an unused token; kNoToken is a character without a token
    TokenId left;
    TokenId right;
    uint32_t left_length;
    bool is_known;
  };

  bool splits_unused() const { return vocabulary_.has_unused(); }
  void MarkJoined();
  bool IsApart(uint32_t left);
  size_t CopyText(std::string_view text, bool dummy_prefix);
  void Split(size_t size);
  void AddSymbol(uint32_t begin, uint32_t length, TokenId token, bool is_invalid);
  void Consider(uint32_t left);
  void Remember(const Symbol& left, const Symbol& right, TokenId token);
  void PushMerge(const Merge& merge);
  Merge PopMerge();
  void Apply(const Merge& merge);
  static size_t CountOf(TokenId token, uint32_t length);
  size_t Emit(uint32_t begin, uint32_t length, TokenId token, TokenId* tokens) const;
  size_t TakeUnused(const Symbol& symbol, TokenId* tokens);

  const Vocabulary& vocabulary_;
  Array<char> text_;
  Array<Symbol> symbols_;
  Array<Merge> heap_;
  struct Unused {
    Array<Halves> halves;   // (vocabulary size), if the vocabulary has unused tokens
    Array<uint32_t> parts;  // a stack of pairs (token, length): parts of an unused token to emit
    Array<uint8_t> joined;  // for long texts: a bit for each pair of bytes, set if a token has them
                            // side by side
  };
  struct NoUnused {};  // in builds without GGUF
  static Unused* AddressOf(Unused* unused) { return unused; }
  static Unused* AddressOf(NoUnused* /*unused*/) { return nullptr; }
  Unused* unused() { return AddressOf(&unused_); }
  [[no_unique_address]] std::conditional_t<kHasGguf, Unused, NoUnused> unused_;
  size_t n_symbols_ = 0;
  size_t heap_size_ = 0;
  size_t count_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_SCORE_MERGES_H_
