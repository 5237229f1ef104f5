// SPDX-License-Identifier: MIT
// Score-driven byte-pair merging: of all neighbours that form a token, the pair with the highest
// score (the leftmost of equals) merges first, until none is left. A heap of candidate merges does
// in O(n log n) what rescanning the text after each merge does in O(n^2), with the same result.
#ifndef CLAMMA_MODEL_BYTE_PAIR_ENCODER_H_
#define CLAMMA_MODEL_BYTE_PAIR_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/tokenizer.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

class BytePairEncoder {
 public:
  explicit BytePairEncoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // `text` is not empty. A dummy prefix is a space in front of it.
  Status Run(Memory& memory, std::string_view text, bool dummy_prefix);

  size_t count() const { return count_; }  // tokens of the result
  size_t Take(TokenId* tokens) const;      // writes them; returns count()

 private:
  // A stretch of the text that is a token (or a byte of one), in a doubly linked list.
  struct Symbol {
    uint32_t begin;
    uint32_t length;  // 0: merged into its left neighbour
    uint32_t previous;
    uint32_t next;
    TokenId token;
    bool is_byte;  // a byte token: takes part in no merge
  };
  struct Merge {
    float score;
    uint32_t left;    // index of the left symbol
    uint32_t length;  // of the merged text: tells whether the candidate is still true
    TokenId token;
  };

  void Split();
  void AddSymbol(uint32_t begin, uint32_t length, TokenId token, bool is_byte);
  void Consider(uint32_t left);
  void PushMerge(const Merge& merge);
  Merge PopMerge();
  void Apply(const Merge& merge);

  const Tokenizer& tokenizer_;
  Array<char> text_;
  Array<Symbol> symbols_;
  Array<Merge> heap_;
  size_t n_symbols_ = 0;
  size_t heap_size_ = 0;
  size_t count_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_BYTE_PAIR_ENCODER_H_
