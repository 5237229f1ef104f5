// SPDX-License-Identifier: MIT
#include "openai/tools/tool_parser.h"

#include <algorithm>

namespace openai {
namespace {

// Returns the length of the longest end of `text` that begins `mark`, but is shorter.
size_t UnfinishedEnd(std::string_view text, std::string_view mark) {
  size_t n = std::min(mark.size() - 1, text.size());
  while (n > 0 && !text.ends_with(mark.substr(0, n))) --n;
  return n;
}

}  // namespace

bool ToolParser::MoveContent(size_t found, std::initializer_list<std::string_view> marks,
                             std::string* content) {
  size_t moved = found;
  if (found == std::string::npos) {
    size_t kept = 0;
    for (const std::string_view mark : marks) kept = std::max(kept, UnfinishedEnd(held_, mark));
    moved = held_.size() - kept;
  }
  content->append(held_, 0, moved);
  held_.erase(0, moved);
  return found != std::string::npos;
}

}  // namespace openai
