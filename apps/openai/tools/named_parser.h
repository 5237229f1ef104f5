// SPDX-License-Identifier: MIT
// Finds calls whose name stands between marks, and whose arguments follow:
// [TOOL_CALLS]f[ARGS]{...}.
#ifndef CLAMMA_APPS_OPENAI_TOOLS_NAMED_PARSER_H_
#define CLAMMA_APPS_OPENAI_TOOLS_NAMED_PARSER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "openai/tools/call_scanner.h"
#include "openai/tools/tool_parser.h"

namespace openai {

struct NamedCallFormat {
  std::string open, id, arguments;  // marks; `id` may be "": there are no ids
  std::function<std::string()> make_id;
  std::function<bool(std::string_view)> is_id;  // whether a call keeps the id that it has
  std::vector<std::string> names;
};

class NamedParser : public ToolParser {
 public:
  explicit NamedParser(NamedCallFormat format) : format_(std::move(format)) {}

  void Finish(std::string* content, std::vector<ToolDelta>* calls) override;

 private:
  bool Advance(std::string* content, std::vector<ToolDelta>* calls) override;

  enum class Place : uint8_t { kOutside, kInHead, kInArguments };

  bool ReadHead(std::string* content, std::vector<ToolDelta>* calls);
  bool ReadArguments(std::vector<ToolDelta>* calls);

  const NamedCallFormat format_;
  Place place_ = Place::kOutside;
  CallScanner scanner_;
  bool is_after_call_ = false;  // white space is no content here
  size_t n_calls_ = 0;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_NAMED_PARSER_H_
