// SPDX-License-Identifier: MIT
// Regular expressions as nodes of a grammar: what ECMA 262 (with the flag u) and RE2 have in
// common. docs/constrained-output.md states the subset.
#ifndef CLAMMA_ENGINE_GRAMMAR_REGEX_H_
#define CLAMMA_ENGINE_GRAMMAR_REGEX_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/grammar/grammar.h"
#include "platform/status.h"

namespace clamma {

enum class RegexMatch : uint8_t {
  kWhole,  // the whole text matches, as if the expression stood between ^ and $
  kSearch  // the text contains a match, as JSON schema's `pattern` asks for
};

// Adds a node that matches the texts that match the expression. `any` is the node of one character
// that the text may have outside of the match (kSearch), and inside of it where the expression has
// `.`: kNoAny is any character, and for `.` any but line terminators. Look-around, back references
// and what else is not supported are refused by name, with the column (in bytes, from 1).
inline constexpr NodeId kNoAny = UINT32_MAX;
Status ParseRegex(std::string_view expression, RegexMatch match, Grammar* grammar, NodeId* node);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_REGEX_H_
