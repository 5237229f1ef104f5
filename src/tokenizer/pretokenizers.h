// SPDX-License-Identifier: MIT
// The rules by which byte-level vocabularies split texts into words before merging, by their names
// in tokenizer.ggml.pre.
#ifndef CLAMMA_TOKENIZER_PRETOKENIZERS_H_
#define CLAMMA_TOKENIZER_PRETOKENIZERS_H_

#include <cstddef>
#include <string_view>

namespace clamma {

// Returns the length in bytes of the match that begins at `at` in a text that ends at `end`. If
// there is none, returns minus the number of bytes, at least one character, at which none begins.
using WordMatcher = ptrdiff_t (*)(const char* at, const char* end);

inline constexpr size_t kMaxSplits = 6;

// The first matcher splits the text: each match, and each gap between two matches, is a word. The
// next matcher splits these words further, and so on.
struct Pretokenizer {
  std::string_view name;
  WordMatcher matchers[kMaxSplits];  // up to the first nullptr
  bool ignores_merges;               // a word that is a token becomes that token without merging
  bool adds_bos;                     // used if the file has no flag for it
  bool wants_nfc;                    // texts are normalized to NFC first
};

const Pretokenizer* FindPretokenizer(std::string_view name);  // nullptr: there is none

// Iterates over the words of a text, in time linear in its length. Any bytes are safe.
class WordSplitter {
 public:
  WordSplitter(const Pretokenizer& rule, std::string_view text);
  bool Next(std::string_view* word);  // false: there are no more

 private:
  struct Level {
    const char* at;  // [at, end) is still to be split
    const char* end;
    const char* match;  // if a gap was found first: the match after it, and its length
    ptrdiff_t length;
  };
  std::string_view Cut(Level* level, WordMatcher matcher);

  const Pretokenizer& rule_;
  Level levels_[kMaxSplits] = {};
  size_t n_levels_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_PRETOKENIZERS_H_
