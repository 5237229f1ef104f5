// SPDX-License-Identifier: MIT
// How a model calls tools: in the format of its template.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_TOOL_SETUP_H_
#define CLAMMA_APPS_OPENAI_TOOLS_TOOL_SETUP_H_

#include <functional>
#include <memory>

#include "openai/generation.h"
#include "openai/tools/call_grammar.h"
#include "openai/tools/tool_list.h"
#include "openai/tools/tool_parser.h"

namespace openai {

// Prepares a prompt for tools and constrains its answers: calls that must come, and those that the
// model chooses to write, are valid by the tools' schemas. A constraint that the answer has already
// is kept: it may then be calls instead. `marks` gets what the answer's text must show. Returns
// what makes parsers of the answers; nullptr if nothing can be called.
std::function<std::unique_ptr<ToolParser>()> SetUpTools(const CallSyntax& syntax,
                                                        const ToolChoice& choice, Prompt* prompt,
                                                        Constraint* constraint, ShownMarks* marks);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_TOOL_SETUP_H_
