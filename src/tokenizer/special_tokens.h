// SPDX-License-Identifier: MIT
// Finds the tokens that are matched by their texts before the rest of a text is encoded:
// user-defined tokens, and control tokens if the caller asks for them.
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
  // The longest text of such a token; Build() refuses longer ones, because matching takes up to
  // this many steps at each position of a text.
  static constexpr size_t kMaxBytes = 256;

  // Collects the special tokens, except padding. A plan makes room for `most`, an upper bound.
  Status Build(Memory& memory, const Vocabulary& vocabulary, uint64_t most);

  struct Match {
    size_t begin;
    size_t end;
    TokenId token;
    bool is_control;  // control or unknown
  };

  // Which tokens to find, and how.
  struct Options {
    bool control = false;  // also find control and unknown tokens ...
    const TextRange* data =
        nullptr;  // (n_data) ... that touch none of these sorted, disjoint ranges
    size_t n_data = 0;
    bool marks_are_spaces = false;  // U+2581 in the text is a space
  };

  // Scans a text from its beginning to its end; at each position the longest token matches.
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
    uint32_t token;  // with kControlBit
  };
  static constexpr uint32_t kControlBit = 1u << 31;
  static bool Before(const Item& a, const Item& b);
  static void Narrow(const Item* items, size_t depth, uint8_t byte, size_t* low, size_t* high);

  Array<Item> items_;  // sorted by their texts; of equal texts at most one control and one other
  size_t n_items_ = 0;
  uint32_t first_[257] = {};  // items [first_[b], first_[b + 1]) begin with byte b
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_SPECIAL_TOKENS_H_
