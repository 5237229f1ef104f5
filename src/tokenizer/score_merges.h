// SPDX-License-Identifier: MIT
// Score-driven byte-pair merging, as SentencePiece does it
// (https://github.com/google/sentencepiece, bpe_model.cc): of all neighbours that form a token, the
// pair with the highest score (the leftmost of equals) merges first, until none is left. A heap of
// candidate merges does in O(n log n) what rescanning the text after each merge does in O(n^2),
// with the same result.
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

// Merges one text after the other in the same memory.
class ScoreMerger {
 public:
  explicit ScoreMerger(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  // For texts of up to so many bytes, dummy prefixes included.
  Status Reserve(Memory& memory, uint64_t max_bytes);

  // `text` is not empty. A dummy prefix is a space in front of it.
  void Run(std::string_view text, bool dummy_prefix);

  size_t count() const { return count_; }  // at most so many tokens are the result
  size_t Take(TokenId* tokens);            // writes them, and returns how many they are

 private:
  // A stretch of the text that is a token (or a character that is none), in a doubly linked list.
  struct Symbol {
    uint32_t begin;
    uint32_t length;  // 0: merged into its left neighbour
    uint32_t previous;
    uint32_t next;
    TokenId token;
    bool is_invalid;  // a byte of no character: takes part in no merge
  };
  struct Merge {
    float score;
    uint32_t left;    // index of the left symbol
    uint32_t length;  // of the merged text: tells whether the candidate is still true
    TokenId token;
  };
  struct Halves {  // of an unused token; kNoToken stands for a character that is no token
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
    Array<Halves> halves;   // by token, where the vocabulary has unused ones
    Array<uint32_t> parts;  // of an unused token, yet to be taken: token, length
    Array<uint8_t> joined;  // for long texts, a bit for each two bytes: that a token has in a row
  };
  struct NoUnused {};  // as in builds without GGUF
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
