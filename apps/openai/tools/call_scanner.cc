// SPDX-License-Identifier: MIT
#include "openai/tools/call_scanner.h"

#include <utility>

#include "openai/json_value.h"

namespace openai {
namespace {

bool IsWhite(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

void CallScanner::AddStructure(char c) {
  if (state_ == State::kInKey) {
    if (c == '"') {
      state_ = State::kColon;
    } else if (c == '\\' || key_.size() > 64) {
      state_ = State::kFailed;
    } else {
      key_ += c;
    }
    return;
  }
  if (IsWhite(c)) return;
  if ((state_ == State::kBegin && c == '{') || (state_ == State::kComma && c == ',')) {
    state_ = State::kKey;
  } else if (state_ == State::kKey && c == '"') {
    key_.clear();
    state_ = State::kInKey;
  } else if (state_ == State::kColon && c == ':') {
    state_ = State::kValue;
  } else if (state_ == State::kComma && c == '}') {
    state_ = State::kDone;
  } else {
    state_ = State::kFailed;
  }
}

void CallScanner::BeginValue(char c) {
  depth_ = 0;
  in_string_ = is_escaped_ = false;
  is_scalar_ = c != '"' && c != '{' && c != '[';
  value_.clear();
  state_ = State::kInValue;
}

bool CallScanner::FollowValue(char c) {
  if (is_scalar_) return c != ',' && c != '}' && !IsWhite(c);
  if (in_string_) {
    if (is_escaped_) {
      is_escaped_ = false;
    } else if (c == '\\') {
      is_escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
      if (depth_ == 0) state_ = State::kComma;
    }
  } else if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if ((c == '}' || c == ']') && --depth_ == 0) {
    state_ = State::kComma;
  }
  return true;
}

void CallScanner::EndValue() {
  if (key_ != "name" || has_name_) return;
  Value value;
  std::string reason;
  if (!ParseJson(value_, {}, &value, &reason) || value.text() == nullptr) {
    state_ = State::kFailed;
    return;
  }
  name_ = *value.text();
  has_name_ = true;
}

void CallScanner::BeginArguments(std::string name) {
  name_ = std::move(name);
  has_name_ = is_alone_ = true;
  key_ = "arguments";
  state_ = State::kValue;
}

size_t CallScanner::Add(std::string_view text, std::string* arguments) {
  size_t used = 0;
  while (used < text.size() && !is_done() && !has_failed()) {
    const char c = text[used];
    if (state_ == State::kValue && !IsWhite(c)) {
      if (is_alone_ && c != '{') {
        state_ = State::kFailed;
        break;
      }
      BeginValue(c);
    }
    if (state_ != State::kInValue) {
      if (state_ != State::kValue) AddStructure(c);
      ++used;
      continue;
    }
    if (!FollowValue(c)) {  // the end of a scalar, whose next character is structure
      state_ = State::kComma;
      EndValue();
      continue;
    }
    if (is_arguments()) {
      (has_name_ ? *arguments : early_) += c;
    } else {
      value_ += c;
    }
    ++used;
    if (state_ == State::kComma) EndValue();
    if (state_ == State::kComma && is_alone_) state_ = State::kDone;
  }
  if (has_name_ && !early_.empty()) {
    *arguments = early_ + *arguments;
    early_.clear();
  }
  return used;
}

}  // namespace openai
