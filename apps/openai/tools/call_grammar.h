// SPDX-License-Identifier: MIT
// The grammars of answers that may, or must, call tools: a call is one that the template would
// write, with arguments that are valid by the tool's schema.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_CALL_GRAMMAR_H_
#define CLAMMA_APPS_OPENAI_TOOLS_CALL_GRAMMAR_H_

#include <string>
#include <string_view>
#include <vector>

#include "openai/generation.h"
#include "openai/tools/tool_format.h"
#include "openai/tools/tool_list.h"

namespace openai {

// What a grammar is made for.
struct CallSyntax {
  ToolFormat format = ToolFormat::kGeneric;
  FindControl find_control;
  bool has_call_ids = false;  // kMistralNamed: "[CALL_ID]" stands before the arguments

  // For a template.
  static CallSyntax Of(std::string_view chat_template, FindControl find);
};

// Constrains an answer. If `constraint` has something already, the answer is either that or calls.
void ConstrainCalls(const CallSyntax& syntax, const ToolChoice& choice, Constraint* constraint);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_CALL_GRAMMAR_H_
