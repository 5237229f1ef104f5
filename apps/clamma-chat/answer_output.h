// SPDX-License-Identifier: MIT
// Writes an answer to stdout. The model's reasoning before the answer, between <think> and
// </think>, is shown, dimmed or hidden. While there is no visible output, the progress is shown.
#ifndef CLAMMA_APPS_CHAT_ANSWER_OUTPUT_H_
#define CLAMMA_APPS_CHAT_ANSWER_OUTPUT_H_

#include <clamma-extra.h>

#include <chrono>
#include <string>
#include <string_view>

#include "text_output.h"

// How to show the reasoning.
enum class Think { kShow, kDim, kHide };

class AnswerOutput {
 public:
  // `colour`: stdout is a terminal that shows colours. `thinks`: the answer begins inside the
  // reasoning, because the template has opened it.
  AnswerOutput(Think think, bool colour, bool thinks);
  ~AnswerOutput() { Finish(); }
  AnswerOutput(const AnswerOutput&) = delete;
  AnswerOutput& operator=(const AnswerOutput&) = delete;

  // Writes the next piece, which consists of whole characters. Returns false on failure.
  bool Write(const char* text);

  // Ends the answer: writes text that was held back, and restores the terminal's style. Returns
  // false if something could not be written.
  bool Finish();

  // Reports the progress of the query: call it once before the first step, then after each step.
  // While the prompt is processed, and while the reasoning is hidden, a terminal shows the progress
  // after half a second.
  void ShowProgress(const clamma_session_facts_t& facts);

 private:
  using Clock = std::chrono::steady_clock;
  enum class Part { kBegin, kThoughts, kAnswer };

  void Enter(Part part);
  bool Pass(std::string_view text);
  void ShowLine(const char* line);
  void ClearProgress();

  Think think_;
  bool colour_;
  Part part_ = Part::kBegin;
  std::string held_;         // text that may be the beginning of a mark
  bool begun_ = false;       // a piece was written
  bool skip_space_ = false;  // before the answer proper
  bool finished_ = false;
  TextOutput output_{stdout};
  bool shows_progress_;
  bool progress_shown_ = false;
  bool counts_ = false;
  size_t first_position_ = 0;  // position at which the prompt begins
  Clock::time_point next_ = Clock::now() + std::chrono::milliseconds(500);  // of a line
};

#endif  // CLAMMA_APPS_CHAT_ANSWER_OUTPUT_H_
