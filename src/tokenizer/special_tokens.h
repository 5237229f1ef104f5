// SPDX-License-Identifier: MIT
// Tokens that are found by their texts before anything else is looked at: those that users defined,
// and control tokens where a caller wants them.
#ifndef CLAMMA_TOKENIZER_SPECIAL_TOKENS_H_
#define CLAMMA_TOKENIZER_SPECIAL_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"
#include "platform/text.h"
#include "tokenizer/vocabulary.h"

namespace clamma {

// Constant once built.
class SpecialTokens {
 public:
  // Longer texts are refused: looking for the longest at each place of a text takes so many steps.
  static constexpr size_t kMaxBytes = 256;

  // Of all tokens that are no padding. A plan makes room for `most`, which must not be exceeded.
  Status Build(Memory& memory, const Vocabulary& vocabulary, uint64_t most);

  struct Match {
    size_t begin;
    size_t end;
    TokenId token;
    bool is_control;  // or unknown
  };

  // Which tokens are looked for, and how.
  struct Options {
    bool control = false;             // also control and unknown ones ...
    const TextRange* data = nullptr;  // ... that touch none of these, sorted and disjoint
    size_t n_data = 0;
    bool marks_are_spaces = false;  // U+2581 in the text is a space
  };

  // Walks through a text from its beginning to its end: at each place the longest token counts.
  class Scan {
   public:
    Scan(const SpecialTokens& tokens, std::string_view text, const Options& options)
        : tokens_(tokens), text_(text), options_(options) {}
    bool Next(Match* match);  // false: there are no more

   private:
    bool MatchAt(size_t begin, size_t limit, Match* match) const;
    int ByteAt(size_t* at) const;

    const SpecialTokens& tokens_;
    std::string_view text_;
    Options options_;
    size_t at_ = 0;
    size_t next_data_ = 0;
  };

 private:
  struct Item {
    const char* text;
    uint32_t length;
    uint32_t token;  // and kControlBit
  };
  static constexpr uint32_t kControlBit = 1u << 31;
  static bool Before(const Item& a, const Item& b);
  static void Narrow(const Item* items, size_t depth, uint8_t byte, size_t* low, size_t* high);

  Array<Item> items_;  // sorted by their bytes; of equal texts at most one of each kind
  size_t n_items_ = 0;
  uint32_t first_[257] = {};  // by the first byte: items_[first_[b]] to items_[first_[b + 1]]
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_SPECIAL_TOKENS_H_
