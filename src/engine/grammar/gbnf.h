// SPDX-License-Identifier: MIT
// Reads GBNF, the notation of llama.cpp's grammars. docs/constrained-output.md describes it.
#ifndef CLAMMA_ENGINE_GRAMMAR_GBNF_H_
#define CLAMMA_ENGINE_GRAMMAR_GBNF_H_

#include <string_view>

#include "engine/grammar/grammar.h"
#include "platform/status.h"

namespace clamma {

// Adds the rules of the text (UTF-8), of which `root` becomes the grammar's root. Errors name the
// line and the column (in bytes), from 1. The grammar's memory also holds temporary data. Safe for
// any bytes.
Status ParseGbnf(std::string_view text, Grammar* grammar);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_GBNF_H_
