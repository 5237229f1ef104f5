// SPDX-License-Identifier: MIT
#include "openai/answer_text.h"

#include <utility>

#include "openai/tools/tool_format.h"

namespace openai {

namespace {

constexpr std::string_view kClose = "\n</think>\n\n";  // as the library writes it for channels

}  // namespace

// White space alone, before a call, is no content.
void AnswerText::HoldBlank(bool is_last, std::string* said) {
  if (has_said_) return;
  blank_ += std::exchange(*said, {});
  has_said_ = blank_.find_first_not_of(" \t\r\n") != std::string::npos;
  if (has_said_ || (is_last && !has_calls_)) *said = std::exchange(blank_, {});
}

// Stop strings act on content only.
void AnswerText::AddContent(std::string_view content, bool is_last, AnswerPart* part) {
  std::string said;
  if (tools_ == nullptr) {
    said = content;
  } else {
    const size_t before = part->calls.size();
    if (!content.empty()) tools_->Add(content, &said, &part->calls);
    if (is_last) tools_->Finish(&said, &part->calls);
    DropMarks(&said);
    has_calls_ = has_calls_ || part->calls.size() > before;
    HoldBlank(is_last, &said);
  }
  has_stopped_ = stop_.Add(said, &part->content);
  if (is_last && !has_stopped_) stop_.Finish(&part->content);
  if (!part->content.empty()) {
    part->tokens = std::exchange(tokens_, {});
  } else if (!part->calls.empty()) {
    tokens_.clear();  // those of calls have no place in the answer
  }
}

void AnswerText::AddMark(std::string_view mark, AnswerPart* part) {
  if (!split_.in_content()) {
    std::string content;
    split_.Finish(&part->reasoning, &content);
    must_close_ = !split_.in_content();
    split_ = ReasoningSplit::Ended();
    if (!content.empty()) AddContent(content, false, part);
  }
  AddContent(mark, false, part);
}

bool AnswerText::AddText(std::string_view text, AnswerPart* part) {
  if (std::exchange(must_close_, false) && text.starts_with(kClose)) {
    text.remove_prefix(kClose.size());
  }
  if (split_.in_content()) {
    AddContent(text, false, part);
    return !has_stopped_;
  }
  std::string content;
  split_.Add(text, &part->reasoning, &content);
  if (content.empty()) {
    // Nor have those of reasoning and its marks. White space that begins an answer waits.
    if (!split_.at_beginning()) tokens_.clear();
    return true;
  }
  AddContent(content, false, part);
  return !has_stopped_;
}

void AnswerText::Finish(Ending ending, AnswerPart* part) {
  if (has_stopped_) return;
  // The token that ended the text has none.
  if (ending == Ending::kStop && !tokens_.empty()) tokens_.pop_back();
  std::string content;
  split_.Finish(&part->reasoning, &content);
  AddContent(content, true, part);
}

const char* AnswerText::FinishReason(Ending ending) const {
  if (ending == Ending::kLength && !has_stopped_) return "length";
  return has_calls_ && !has_stopped_ ? "tool_calls" : "stop";
}

}  // namespace openai
