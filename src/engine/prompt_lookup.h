// SPDX-License-Identifier: MIT
// Prompt lookup: where a text repeats something, what followed it there probably follows again.
// (Saxena: Prompt Lookup Decoding, 2023)
#ifndef CLAMMA_ENGINE_PROMPT_LOOKUP_H_
#define CLAMMA_ENGINE_PROMPT_LOOKUP_H_

#include <cstddef>

#include "tokenizer/tokenizer.h"

namespace clamma {

// Matches of fewer tokens are mostly chance; longer ones than the most promise no more.
inline constexpr size_t kShortestMatch = 2;
inline constexpr size_t kLongestMatch = 16;

// Finds the longest earlier occurrence, at most kLongestMatch tokens, of the last tokens of a
// context (n), of equally long ones the latest, and writes what followed it to `drafts` (most). A
// text that has begun to repeat itself goes on as it repeats. Returns the length of the match; 0,
// and writes nothing, if it is below kShortestMatch. Takes time in proportion to n.
size_t LookUp(const TokenId* tokens, size_t n, size_t most, TokenId* drafts);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_PROMPT_LOOKUP_H_
