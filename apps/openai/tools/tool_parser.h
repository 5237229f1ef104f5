// SPDX-License-Identifier: MIT
// Finds tool calls in the text of an answer, while it arrives.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_TOOL_PARSER_H_
#define CLAMMA_APPS_OPENAI_TOOLS_TOOL_PARSER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace openai {

// A piece of a call. The first piece of each call has its id and its name.
struct ToolDelta {
  size_t index = 0;  // of the call in the answer
  std::string id;
  std::string name;
  std::string arguments;
};

class ToolParser {
 public:
  ToolParser() = default;
  ToolParser(const ToolParser&) = delete;
  ToolParser& operator=(const ToolParser&) = delete;
  virtual ~ToolParser() = default;

  // Adds a piece of the text. What is not part of a call is appended to `content`.
  virtual void Add(std::string_view piece, std::string* content, std::vector<ToolDelta>* calls) = 0;
  // The text has ended: what was held back, and is no call, is content.
  virtual void Finish(std::string* content, std::vector<ToolDelta>* calls) = 0;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_TOOL_PARSER_H_
