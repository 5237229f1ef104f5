// SPDX-License-Identifier: MIT
// How a model calls tools: in the format of its template, which is recognised here.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_TOOL_SETUP_H_
#define CLAMMA_APPS_OPENAI_TOOLS_TOOL_SETUP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "openai/generation.h"
#include "openai/tools/tool_list.h"
#include "openai/tools/tool_parser.h"

namespace openai {

enum class ToolFormat : uint8_t {
  kTaggedJson,  // <tool_call>{"name": ..., "arguments": ...}</tool_call>: Hermes, Qwen
  kLlama3,      // {"name": ..., "parameters": ...}
  kMistral,     // [TOOL_CALLS] [{"name": ..., "arguments": ...}]
  kQwen3Coder,  // <tool_call><function=...><parameter=...>
  kGeneric      // as kTaggedJson, described in a system message: the template has no tools
};

// By the text of the template.
ToolFormat ToolFormatOf(std::string_view chat_template);
const char* NameOf(ToolFormat format);

// Prepares a prompt for tools and constrains its answers: calls that must come, and those behind
// the format's tag, are valid by the tools' schemas. A constraint that the answer has already is
// kept: it may then be a call instead. Returns what makes parsers of the answers; nullptr if
// nothing can be called.
std::function<std::unique_ptr<ToolParser>()> SetUpTools(ToolFormat format, const ToolChoice& choice,
                                                        Prompt* prompt, Constraint* constraint);

// The schema of a call: one of {"name": "f", "arguments": the schema of f's parameters}.
std::string CallSchema(ToolFormat format, const std::vector<Tool>& tools);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_TOOL_SETUP_H_
