// SPDX-License-Identifier: MIT
// Regular expressions as nodes of a grammar: what ECMA 262 (with the flag u), RE2 and Python have
// in common. docs/constrained-output.md states the subset.
#ifndef CLAMMA_ENGINE_GRAMMAR_REGEX_H_
#define CLAMMA_ENGINE_GRAMMAR_REGEX_H_

#include <string_view>

#include "engine/grammar/grammar.h"
#include "platform/status.h"

namespace clamma {

struct RegexOptions {
  // The text need only contain a match, as for JSON Schema's `pattern`; else all of it must match.
  bool search = false;
  // Each character is written as inside a JSON string: by its shortest escape where it needs one
  // (\" \\ \b \f \n \r \t \u00XX), else as it is. The caller adds the quotation marks.
  bool json_string = false;
};

// Adds a node that matches the texts which the expression (UTF-8) matches. Where dialects differ,
// as in what \s and \W are, it accepts only what all of them accept. Look-around, back references
// and anything else that is not supported are refused by name, with the column (in bytes, from 1).
// The grammar's memory also holds temporary data. Safe for any bytes.
Status ParseRegex(std::string_view expression, const RegexOptions& options, Grammar* grammar,
                  NodeId* node);

// Adds a node that matches one character of a class as inside a JSON string, see above.
Status AddJsonStringClass(const CodeRange* ranges, size_t n, bool negated, Grammar* grammar,
                          NodeId* node);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_REGEX_H_
