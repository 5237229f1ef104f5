// SPDX-License-Identifier: MIT
// How byte-level vocabularies split texts into words before they merge: rules by name, as
// tokenizer.ggml.pre has them.
#ifndef CLAMMA_TOKENIZER_PRETOKENIZERS_H_
#define CLAMMA_TOKENIZER_PRETOKENIZERS_H_

#include <cstddef>
#include <string_view>

namespace clamma {

// The match that begins at `at` in a text which ends at `end`: its length in bytes. None: minus the
// number of bytes at which none begins, at least 1 character.
using WordMatcher = ptrdiff_t (*)(const char* at, const char* end);

inline constexpr size_t kMaxSplits = 6;

// A text is split by the first matcher: each match, and what lies between two, is a word. The next
// one splits those words further, and so on.
struct Pretokenizer {
  std::string_view name;
  WordMatcher matchers[kMaxSplits];  // as many as are not nullptr
  bool ignores_merges;               // a word that is a token is not merged, but taken
  bool adds_bos;                     // where the file does not say
  bool wants_nfc;                    // texts come into this form first
};

const Pretokenizer* FindPretokenizer(std::string_view name);  // nullptr: none of that name

// Walks through the words of a text, in time linear in its length. Any bytes are safe.
class WordSplitter {
 public:
  WordSplitter(const Pretokenizer& rule, std::string_view text);
  bool Next(std::string_view* word);  // false: there are no more

 private:
  struct Level {
    const char* at;  // what is still to be split
    const char* end;
    const char* match;  // behind a gap: where the match begins, and its length
    ptrdiff_t length;
  };
  std::string_view Cut(Level* level, WordMatcher matcher);

  const Pretokenizer& rule_;
  Level levels_[kMaxSplits] = {};
  size_t n_levels_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_PRETOKENIZERS_H_
