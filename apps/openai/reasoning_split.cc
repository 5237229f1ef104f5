// SPDX-License-Identifier: MIT
#include "openai/reasoning_split.h"

#include <algorithm>

namespace openai {
namespace {

constexpr std::string_view kOpenMark = "<think>";
constexpr std::string_view kCloseMark = "</think>";
constexpr std::string_view kWhite = " \t\r\n";

size_t SkipWhite(std::string_view text) {
  return std::min(text.find_first_not_of(kWhite), text.size());
}

// Returns the length of the end of `text` that may go before the mark, or begin it: white space,
// and an unfinished mark.
size_t UndecidedEnd(std::string_view text) {
  size_t mark = std::min(kCloseMark.size() - 1, text.size());
  while (mark > 0 && !text.ends_with(kCloseMark.substr(0, mark))) --mark;
  const std::string_view before = text.substr(0, text.size() - mark);
  const size_t last = before.find_last_not_of(kWhite);
  return text.size() - (last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

// Handles what is held inside the reasoning; returns whether its end was found.
bool ReasoningSplit::AddInside(std::string* reasoning) {
  if (!has_reasoning_) {
    held_.erase(0, SkipWhite(held_));
    has_reasoning_ = !held_.empty();
  }
  const size_t close = held_.find(kCloseMark);
  if (close == std::string::npos) {
    const size_t kept = UndecidedEnd(held_);
    reasoning->append(held_, 0, held_.size() - kept);
    held_.erase(0, held_.size() - kept);
    return false;
  }
  const size_t last = close == 0 ? std::string::npos : held_.find_last_not_of(kWhite, close - 1);
  if (last != std::string::npos) reasoning->append(held_, 0, last + 1);
  held_.erase(0, close + kCloseMark.size());
  return true;
}

void ReasoningSplit::Add(std::string_view piece, std::string* reasoning, std::string* content) {
  if (place_ == Place::kContent) {
    *content += piece;
    return;
  }
  held_ += piece;
  if (place_ == Place::kBeginning) {
    const std::string_view text = std::string_view(held_).substr(SkipWhite(held_));
    if (text.starts_with(kOpenMark)) {
      held_.erase(0, SkipWhite(held_) + kOpenMark.size());
      place_ = Place::kInside;
    } else if (kOpenMark.starts_with(text)) {
      return;
    } else {
      place_ = Place::kContent;
    }
  }
  if (place_ == Place::kInside && AddInside(reasoning)) place_ = Place::kBehind;
  if (place_ == Place::kBehind) {
    held_.erase(0, SkipWhite(held_));
    if (!held_.empty()) place_ = Place::kContent;
  }
  if (place_ != Place::kContent) return;
  *content += held_;
  held_.clear();
  held_.shrink_to_fit();
}

void ReasoningSplit::Finish(std::string* reasoning, std::string* content) {
  *(place_ == Place::kInside ? reasoning : content) += held_;
  held_.clear();
}

}  // namespace openai
