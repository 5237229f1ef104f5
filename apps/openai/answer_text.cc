// SPDX-License-Identifier: MIT
#include "openai/answer_text.h"

#include <utility>

namespace openai {

// Stop strings act on content only.
void AnswerText::AddContent(std::string_view content, bool is_last, AnswerPart* part) {
  std::string said;
  if (tools_ == nullptr) {
    said = content;
  } else {
    const size_t before = part->calls.size();
    if (!content.empty()) tools_->Add(content, &said, &part->calls);
    if (is_last) tools_->Finish(&said, &part->calls);
    has_calls_ = has_calls_ || part->calls.size() > before;
  }
  has_stopped_ = stop_.Add(said, &part->content);
  if (is_last && !has_stopped_) stop_.Finish(&part->content);
  if (!part->content.empty()) {
    part->tokens = std::exchange(tokens_, {});
  } else if (!part->calls.empty()) {
    tokens_.clear();  // those of calls have no place in the answer
  }
}

bool AnswerText::AddText(std::string_view text, AnswerPart* part) {
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
