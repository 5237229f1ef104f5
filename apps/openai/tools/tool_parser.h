// SPDX-License-Identifier: MIT
// Finds tool calls in the text of an answer, while it arrives.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_TOOL_PARSER_H_
#define CLAMMA_APPS_OPENAI_TOOLS_TOOL_PARSER_H_

#include <cstddef>
#include <initializer_list>
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
  void Add(std::string_view piece, std::string* content, std::vector<ToolDelta>* calls) {
    held_ += piece;
    while (!held_.empty() && Advance(content, calls)) {
    }
  }
  // The text has ended: what was held back, and is no call, is content.
  virtual void Finish(std::string* content, std::vector<ToolDelta>* calls) = 0;

 protected:
  // Uses some of held_, or changes what the parser is looking for. Returns false if it needs more.
  virtual bool Advance(std::string* content, std::vector<ToolDelta>* calls) = 0;

  // Moves what stands before `found` to `content`; if a mark was not found (npos), all but an end
  // that may begin one of `marks`. Returns whether there is a mark.
  bool MoveContent(size_t found, std::initializer_list<std::string_view> marks,
                   std::string* content);

  std::string held_;  // of the text, what has not been decided on
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_TOOL_PARSER_H_
