// SPDX-License-Identifier: MIT
// Reads GBNF, the notation of llama.cpp's grammars. docs/constrained-output.md describes it.
#ifndef CLAMMA_ENGINE_GRAMMAR_GBNF_H_
#define CLAMMA_ENGINE_GRAMMAR_GBNF_H_

#include <string_view>

#include "engine/grammar/grammar.h"
#include "engine/grammar/json_schema.h"
#include "platform/status.h"

namespace clamma {

// Adds the rules of the text (UTF-8), of which `root` becomes the grammar's root. Errors name the
// line and the column (in bytes), from 1. The grammar's memory also holds temporary data. Safe for
// any bytes. `is_strict` and `dropped` (may be nullptr) are for the JSON schemas in the text.
Status ParseGbnf(std::string_view text, bool is_strict, Grammar* grammar,
                 DroppedConstraints* dropped);
inline Status ParseGbnf(std::string_view text, Grammar* grammar) {
  return ParseGbnf(text, true, grammar, nullptr);
}

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_GBNF_H_
