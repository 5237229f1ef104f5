// SPDX-License-Identifier: MIT
#include "openai/tools/json_parser.h"

#include <algorithm>
#include <utility>

namespace openai {
bool JsonParser::IsKnown(const std::string& name) const {
  return std::find(format_.names.begin(), format_.names.end(), name) != format_.names.end();
}

// Finds the beginning of the next call.
bool JsonParser::FindCall(std::string* content) {
  if (is_after_call_) {
    held_.erase(0, std::min(held_.find_first_not_of(" \t\r\n"), held_.size()));
    if (held_.empty()) return false;
    is_after_call_ = false;
  }
  if (!format_.open.empty()) {
    if (!MoveContent(held_.find(format_.open), {format_.open}, content)) return false;
    raw_ = format_.open;
    held_.erase(0, format_.open.size());
    if (format_.may_be_list) {
      place_ = Place::kInList;
      return true;
    }
  } else {
    const std::string_view between =
        n_calls_ > 0 || format_.may_be_list ? " \t\r\n,;[]" : " \t\r\n";
    const size_t begin = held_.find_first_not_of(between);
    if (begin == std::string::npos) return false;
    if (held_[begin] != '{') {
      place_ = Place::kContent;
      return true;
    }
    raw_ = held_.substr(0, begin);
    held_.erase(0, begin);
  }
  BeginCall();
  return true;
}

void JsonParser::BeginCall() {
  place_ = Place::kInCall;
  scanner_ = CallScanner();
  is_announced_ = false;
}

// Finds the next call of a list behind a mark, or its end.
bool JsonParser::FindInList() {
  const size_t begin = held_.find_first_not_of(" \t\r\n,[");
  raw_.append(held_, 0, begin);
  held_.erase(0, begin);
  if (held_.empty()) return false;
  if (held_.front() == '{') {
    BeginCall();
    return true;
  }
  if (held_.front() == ']') held_.erase(0, 1);
  place_ = Place::kOutside;
  is_after_call_ = true;
  return true;
}

// The object is no call: its text is content.
void JsonParser::GiveUp(std::string* content) {
  *content += raw_;
  raw_.clear();
  place_ = format_.open.empty() ? Place::kContent : Place::kOutside;
}

bool JsonParser::ReadCall(std::string* content, std::vector<ToolDelta>* calls) {
  std::string arguments;
  const size_t used = scanner_.Add(held_, &arguments);
  if (!is_announced_) raw_.append(held_, 0, used);
  held_.erase(0, used);
  if (!is_announced_ && scanner_.has_name()) {
    if (!IsKnown(scanner_.name())) {
      GiveUp(content);
      return true;
    }
    calls->push_back({n_calls_++, format_.make_id(), scanner_.name(), ""});
    is_announced_ = true;
    raw_.clear();
  }
  if (is_announced_ && !arguments.empty()) {
    calls->push_back({n_calls_ - 1, "", "", std::move(arguments)});
  }
  if (scanner_.has_failed() || (scanner_.is_done() && !is_announced_)) {
    if (is_announced_) {
      place_ = Place::kBehindCall;
    } else {
      GiveUp(content);
    }
    return true;
  }
  if (!scanner_.is_done()) return false;
  place_ = Place::kBehindCall;
  return true;
}

// Skips what closes a call, with the white space around it.
bool JsonParser::SkipClose() {
  const size_t begin = held_.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return false;
  const std::string_view rest = std::string_view{held_}.substr(begin);
  if (!format_.close.empty()) {
    if (rest.size() < format_.close.size() && format_.close.starts_with(rest)) return false;
    held_.erase(0, begin + (rest.starts_with(format_.close) ? format_.close.size() : 0));
    is_after_call_ = true;
  }
  place_ = format_.may_be_list && !format_.open.empty() ? Place::kInList : Place::kOutside;
  raw_.clear();
  return true;
}

bool JsonParser::Advance(std::string* content, std::vector<ToolDelta>* calls) {
  switch (place_) {
    case Place::kOutside:
      return FindCall(content);
    case Place::kInList:
      return FindInList();
    case Place::kInCall:
      return ReadCall(content, calls);
    case Place::kBehindCall:
      return SkipClose();
    case Place::kContent:
      *content += std::exchange(held_, "");
      break;
  }
  return false;
}

void JsonParser::Finish(std::string* content, std::vector<ToolDelta>* /*calls*/) {
  if (place_ == Place::kInCall && !is_announced_) *content += raw_;
  const bool is_rest = held_.find_first_not_of(" \t\r\n,;[]") == std::string::npos;
  if ((place_ == Place::kOutside && (n_calls_ == 0 || !is_rest)) || place_ == Place::kContent) {
    *content += held_;
  }
  held_.clear();
}

}  // namespace openai
