// SPDX-License-Identifier: MIT
// The formats of JSON schema, each as an expression for some or all of its strings.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_FORMATS_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_FORMATS_H_

#include <string_view>

namespace clamma {

struct JsonFormat {
  std::string_view name;
  const char* expression;  // nullptr: not supported
};

// Returns nullptr for a name that JSON schema does not define, which does not constrain.
const JsonFormat* FindJsonFormat(std::string_view name);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_FORMATS_H_
