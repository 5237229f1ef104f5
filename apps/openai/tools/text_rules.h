// SPDX-License-Identifier: MIT
// Rules of GBNF for texts that end at a mark, or do not begin with some words.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_TEXT_RULES_H_
#define CLAMMA_APPS_OPENAI_TOOLS_TEXT_RULES_H_

#include <string>
#include <string_view>
#include <vector>

#include "openai/tools/tool_list.h"

namespace openai {

// The rule `name`: any text up to the first occurrence of the mark, and the mark. The mark is
// ASCII.
std::string UntilRules(const std::string& name, std::string_view mark);

// The rule `name`, behind a quotation mark: any text that does not go on with one of these words
// and a quotation mark. Needs the rule c-any.
std::string OtherKeyRules(const std::string& name, const std::vector<std::string>& words);

// What names a tool's schema in references.
std::string ToolUri(const Tool& tool);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_TEXT_RULES_H_
