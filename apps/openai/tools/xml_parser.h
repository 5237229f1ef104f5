// SPDX-License-Identifier: MIT
// Finds calls as Qwen3-Coder writes them:
//   <tool_call>
//   <function=name>
//   <parameter=city>
//   Paris
//   </parameter>
//   </function>
//   </tool_call>
#ifndef CLAMMA_APPS_OPENAI_TOOLS_XML_PARSER_H_
#define CLAMMA_APPS_OPENAI_TOOLS_XML_PARSER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "openai/tools/tool_list.h"
#include "openai/tools/tool_parser.h"

namespace openai {

class XmlParser : public ToolParser {
 public:
  XmlParser(std::vector<Tool> tools, std::function<std::string()> make_id)
      : tools_(std::move(tools)), make_id_(std::move(make_id)) {}

  void Finish(std::string* content, std::vector<ToolDelta>* calls) override;

 private:
  bool Advance(std::string* content, std::vector<ToolDelta>* calls) override;

  enum class Place : uint8_t { kOutside, kInCall, kInFunction, kBehind };

  bool FindCall(std::string* content);
  bool BeginFunction(std::string* content, std::vector<ToolDelta>* calls);
  bool SkipClose();
  bool ReadParameter(std::vector<ToolDelta>* calls);
  void EndFunction(std::vector<ToolDelta>* calls);

  const std::vector<Tool> tools_;
  const std::function<std::string()> make_id_;
  Place place_ = Place::kOutside;
  const Tool* tool_ = nullptr;
  bool has_parameters_ = false;
  size_t n_calls_ = 0;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_TOOLS_XML_PARSER_H_
