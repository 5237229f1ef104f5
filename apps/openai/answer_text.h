// SPDX-License-Identifier: MIT
// Takes the text of a choice apart, while it arrives: reasoning, content up to a stop string, and
// tool calls.
#ifndef CLAMMA_APPS_OPENAI_ANSWER_TEXT_H_
#define CLAMMA_APPS_OPENAI_ANSWER_TEXT_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "openai/generation.h"
#include "openai/reasoning_split.h"
#include "openai/stop_matcher.h"
#include "openai/tools/tool_parser.h"

namespace openai {

// What a piece of text turned out to be.
struct AnswerPart {
  std::string reasoning;
  std::string content;
  std::vector<TokenLogprob> tokens;  // of the content, if logprobs are wanted
  std::vector<ToolDelta> calls;
};

class AnswerText {
 public:
  // `stops` must outlive this. `tools` may be nullptr: then nothing is a call.
  AnswerText(bool begins_in_reasoning, const std::vector<std::string>& stops,
             std::unique_ptr<ToolParser> tools)
      : split_(begins_in_reasoning), stop_(stops), tools_(std::move(tools)) {}

  // A token, before its text.
  void AddToken(TokenLogprob token) { tokens_.push_back(std::move(token)); }
  // Marks of calls, which end the reasoning.
  void AddMark(std::string_view mark, AnswerPart* part);
  // Returns false if the text has reached a stop string: nothing may be added then.
  bool AddText(std::string_view text, AnswerPart* part);
  void Finish(Ending ending, AnswerPart* part);

  // Whether what was said up to now is reasoning.
  bool in_reasoning() const { return split_.in_reasoning(); }
  bool has_stopped() const { return has_stopped_; }
  bool has_calls() const { return has_calls_; }
  // "stop", "length" or "tool_calls".
  const char* FinishReason(Ending ending) const;

 private:
  void HoldBlank(bool is_last, std::string* said);
  void AddContent(std::string_view content, bool is_last, AnswerPart* part);

  ReasoningSplit split_;
  StopMatcher stop_;
  std::unique_ptr<ToolParser> tools_;
  std::vector<TokenLogprob> tokens_;  // whose text is not decided on
  bool must_close_ = false;           // the reasoning has been ended by a mark, and not in the text
  std::string blank_;  // white space before anything is said, which a call may follow
  bool has_said_ = false;
  bool has_stopped_ = false;
  bool has_calls_ = false;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_ANSWER_TEXT_H_
