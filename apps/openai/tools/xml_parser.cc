// SPDX-License-Identifier: MIT
#include "openai/tools/xml_parser.h"

#include <algorithm>
#include <utility>

#include "openai/json_text.h"
#include "openai/tools/xml_grammar.h"

namespace openai {
namespace {

constexpr std::string_view kCall = "<tool_call>";
constexpr std::string_view kFunction = "<function=";
constexpr std::string_view kParameter = "<parameter=";
constexpr std::string_view kEndParameter = "</parameter>";
constexpr std::string_view kEndFunction = "</function>";
constexpr std::string_view kEndCall = "</tool_call>";

// The text without the line breaks that the format puts around it.
std::string Inner(std::string text) {
  if (text.starts_with('\n')) text.erase(0, 1);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

// Both forms of a beginning, as models leave the first line out at times.
bool XmlParser::FindCall(std::string* content) {
  const size_t found = std::min(held_.find(kCall), held_.find(kFunction));
  if (!MoveContent(found, {kCall, kFunction}, content)) return false;
  place_ = Place::kInCall;
  return true;
}

bool XmlParser::BeginFunction(std::string* content, std::vector<ToolDelta>* calls) {
  const std::string_view text = held_;
  const size_t skipped = text.starts_with(kCall) ? kCall.size() : 0;
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n", skipped), text.size());
  const std::string_view rest = text.substr(begin);
  const size_t end = rest.find('>');
  if (end == std::string_view::npos &&
      (kFunction.starts_with(rest) || rest.starts_with(kFunction))) {
    return false;
  }
  place_ = Place::kOutside;
  tool_ = nullptr;
  if (rest.starts_with(kFunction)) {
    const std::string_view name = rest.substr(kFunction.size(), end - kFunction.size());
    for (const Tool& tool : tools_) {
      if (tool.name == name) tool_ = &tool;
    }
  }
  if (tool_ == nullptr) {  // no call: its first mark is content
    const size_t mark = skipped != 0 ? skipped : 1;
    content->append(held_, 0, mark);
    held_.erase(0, mark);
    return true;
  }
  calls->push_back({n_calls_++, make_id_(), tool_->name, ""});
  held_.erase(0, begin + end + 1);
  has_parameters_ = false;
  place_ = Place::kInFunction;
  return true;
}

void XmlParser::EndFunction(std::vector<ToolDelta>* calls) {
  calls->push_back({n_calls_ - 1, "", "", has_parameters_ ? "}" : "{}"});
  place_ = Place::kBehind;
}

// Skips what closes a call, and white space, which is no content here.
bool XmlParser::SkipClose() {
  held_.erase(0, std::min(held_.find_first_not_of(" \t\r\n"), held_.size()));
  if (held_.size() < kEndCall.size() && kEndCall.starts_with(held_)) return false;
  if (held_.starts_with(kEndCall)) {
    held_.erase(0, kEndCall.size());
  } else {
    place_ = Place::kOutside;
  }
  return true;
}

bool XmlParser::ReadParameter(std::vector<ToolDelta>* calls) {
  const size_t begin = held_.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return false;
  const std::string_view rest = std::string_view{held_}.substr(begin);
  if (rest.starts_with(kEndFunction)) {
    held_.erase(0, begin + kEndFunction.size());
    EndFunction(calls);
    return true;
  }
  if (kEndFunction.starts_with(rest) || kParameter.starts_with(rest)) return false;
  if (!rest.starts_with(kParameter)) {  // what belongs nowhere
    held_.erase(0, begin + 1);
    return true;
  }
  const size_t name_end = rest.find('>');
  const size_t value_end = rest.find(kEndParameter);
  if (name_end == std::string_view::npos || value_end == std::string_view::npos) return false;
  const std::string name(rest.substr(kParameter.size(), name_end - kParameter.size()));
  const std::string text(rest.substr(name_end + 1, value_end - std::min(value_end, name_end + 1)));
  std::string arguments = has_parameters_ ? "," : "{";
  AppendQuoted(name, &arguments);
  arguments += ":" + XmlValue(*tool_, name, Inner(text));
  calls->push_back({n_calls_ - 1, "", "", std::move(arguments)});
  has_parameters_ = true;
  held_.erase(0, begin + value_end + kEndParameter.size());
  return true;
}

bool XmlParser::Advance(std::string* content, std::vector<ToolDelta>* calls) {
  switch (place_) {
    case Place::kOutside:
      return FindCall(content);
    case Place::kInCall:
      return BeginFunction(content, calls);
    case Place::kInFunction:
      return ReadParameter(calls);
    case Place::kBehind:
      return SkipClose();
  }
  return false;
}

void XmlParser::Finish(std::string* content, std::vector<ToolDelta>* /*calls*/) {
  const bool is_blank = held_.find_first_not_of(" \t\r\n") == std::string::npos;
  if (place_ == Place::kOutside || place_ == Place::kInCall ||
      (place_ == Place::kBehind && !is_blank)) {
    *content += held_;
  }
  held_.clear();
}

}  // namespace openai
