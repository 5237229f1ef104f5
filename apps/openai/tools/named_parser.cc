// SPDX-License-Identifier: MIT
#include "openai/tools/named_parser.h"

#include <algorithm>

namespace openai {
namespace {

constexpr size_t kMaxHead = 256;  // bytes of a name, an id and marks

std::string_view Trimmed(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const size_t end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view() : text.substr(begin, end + 1 - begin);
}

}  // namespace

bool NamedParser::Advance(std::string* content, std::vector<ToolDelta>* calls) {
  if (place_ == Place::kInHead) return ReadHead(content, calls);
  if (place_ == Place::kInArguments) return ReadArguments(calls);
  if (is_after_call_) {
    held_.erase(0, std::min(held_.find_first_not_of(" \t\r\n"), held_.size()));
    if (held_.empty()) return false;
    is_after_call_ = false;
  }
  if (!MoveContent(held_.find(format_.open), {format_.open}, content)) return false;
  place_ = Place::kInHead;
  return true;
}

// From the first mark to the one before the arguments.
bool NamedParser::ReadHead(std::string* content, std::vector<ToolDelta>* calls) {
  const size_t end = held_.find(format_.arguments);
  if (end == std::string::npos && held_.size() < kMaxHead) return false;
  std::string_view name =
      std::string_view{held_}.substr(0, end).substr(std::min(format_.open.size(), end));
  std::string_view id;
  const size_t mark = format_.id.empty() ? std::string_view::npos : name.find(format_.id);
  if (mark != std::string_view::npos) {
    id = Trimmed(name.substr(mark + format_.id.size()));
    name = name.substr(0, mark);
  }
  name = Trimmed(name);
  const bool is_known =
      end != std::string::npos &&
      std::find(format_.names.begin(), format_.names.end(), name) != format_.names.end();
  if (!is_known) {  // no call: its mark is content
    place_ = Place::kOutside;
    content->append(held_, 0, format_.open.size());
    held_.erase(0, format_.open.size());
    return true;
  }
  const bool keeps = !id.empty() && format_.is_id != nullptr && format_.is_id(id);
  calls->push_back(
      {n_calls_++, keeps ? std::string(id) : format_.make_id(), std::string(name), ""});
  scanner_ = CallScanner();
  scanner_.BeginArguments(std::string(name));
  held_.erase(0, end + format_.arguments.size());
  place_ = Place::kInArguments;
  return true;
}

bool NamedParser::ReadArguments(std::vector<ToolDelta>* calls) {
  std::string arguments;
  held_.erase(0, scanner_.Add(held_, &arguments));
  if (!arguments.empty()) calls->push_back({n_calls_ - 1, "", "", std::move(arguments)});
  if (!scanner_.is_done() && !scanner_.has_failed()) return false;
  place_ = Place::kOutside;
  is_after_call_ = true;
  return true;
}

void NamedParser::Finish(std::string* content, std::vector<ToolDelta>* /*calls*/) {
  if (place_ != Place::kInArguments && !is_after_call_) *content += held_;
  held_.clear();
}

}  // namespace openai
