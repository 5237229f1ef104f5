// SPDX-License-Identifier: MIT
// Reads what the text of an answer must match.
#ifndef CLAMMA_APPS_OPENAI_RESPONSE_FORMAT_H_
#define CLAMMA_APPS_OPENAI_RESPONSE_FORMAT_H_

#include <string>
#include <string_view>

#include "openai/fields.h"
#include "openai/generation.h"

namespace openai {

// GBNF's rule `object`: any JSON object.
std::string JsonObjectRules();

// Reads "response_format" of a chat.
Constraint ReadResponseFormat(Fields& fields);

// Lets a constraint begin behind the reasoning that the template has opened.
void BeginAfterReasoning(Constraint* constraint);

// Reads a format of this type, whose schema and "strict" are members of `schema`.
Constraint ReadFormat(std::string_view type, const Value& schema, const std::string& path);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_RESPONSE_FORMAT_H_
