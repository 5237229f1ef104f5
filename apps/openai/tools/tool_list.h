// SPDX-License-Identifier: MIT
// The tools of a request, and which of them the answer may or must call.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_TOOL_LIST_H_
#define CLAMMA_APPS_OPENAI_TOOLS_TOOL_LIST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "openai/fields.h"
#include "openai/json_value.h"

namespace openai {

struct Tool {
  std::string name;
  std::string description;  // "": none
  Value parameters;         // a JSON schema of an object
  bool is_strict = false;
};

enum class ToolMode : uint8_t { kNone, kAuto, kRequired };

struct ToolChoice {
  std::vector<Tool> tools;  // those that may be called
  ToolMode mode = ToolMode::kNone;
  bool is_parallel = true;     // more than one call is allowed: not of a function that is named
  std::string template_tools;  // all tools, JSON, in the form that templates expect; "": none
};

enum class ToolStyle : uint8_t {
  kChat,      // {"type": "function", "function": {"name": ...}}
  kResponses  // {"type": "function", "name": ...}
};

// Reads "tools", "tool_choice" and "parallel_tool_calls". Throws ApiError.
ToolChoice ReadTools(Fields& fields, ToolStyle style);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_TOOL_LIST_H_
