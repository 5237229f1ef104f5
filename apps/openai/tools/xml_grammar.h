// SPDX-License-Identifier: MIT
// Arguments as Qwen3-Coder writes them, each between tags: strings as they are, Python's names of
// truth values, and everything else as JSON.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_XML_GRAMMAR_H_
#define CLAMMA_APPS_OPENAI_TOOLS_XML_GRAMMAR_H_

#include <string>
#include <string_view>
#include <vector>

#include "openai/tools/tool_list.h"

namespace openai {

// GBNF's rule `name`: what follows "<function=" in a call. What a text between tags cannot obey,
// such as a pattern, is left out; `dropped` gets its JSON pointers, divided by commas. Throws
// ApiError if the tool is strict.
std::string XmlRules(const std::string& name, const std::vector<Tool>& tools, std::string* dropped);

// An argument as JSON: of the types that its schema allows.
std::string XmlValue(const Tool& tool, std::string_view argument, const std::string& text);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_XML_GRAMMAR_H_
