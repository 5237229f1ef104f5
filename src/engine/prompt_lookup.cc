// SPDX-License-Identifier: MIT
#include "engine/prompt_lookup.h"

#include <algorithm>

namespace clamma {
namespace {

// How many tokens before `a` and `b` are equal, at most `most`.
size_t CommonBefore(const TokenId* a, const TokenId* b, size_t most) {
  size_t length = 0;
  while (length < most &&
         a[-1 - static_cast<ptrdiff_t>(length)] == b[-1 - static_cast<ptrdiff_t>(length)]) {
    ++length;
  }
  return length;
}

}  // namespace

size_t LookUp(const TokenId* tokens, size_t n, size_t most, TokenId* drafts) {
  const TokenId* const end = tokens + n;
  size_t longest = kShortestMatch - 1;
  size_t follows = 0;  // the index of the token behind the match
  for (size_t i = n; i-- > 1 && longest < kLongestMatch;) {
    if (tokens[i - 1] != end[-1]) continue;
    const size_t length = CommonBefore(tokens + i, end, std::min(i, kLongestMatch));
    if (length <= longest) continue;
    longest = length;
    follows = i;
  }
  if (longest < kShortestMatch) return 0;
  for (size_t i = 0; i < most; ++i) {
    const size_t from = follows + i;
    drafts[i] = from < n ? tokens[from] : drafts[from - n];
  }
  return longest;
}

}  // namespace clamma
