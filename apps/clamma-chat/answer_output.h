// SPDX-License-Identifier: MIT
// An answer on its way to stdout: what the model thinks first, between <think> and </think>, is
// shown, dimmed or hidden; what takes long while nothing is to be seen shows its progress.
#ifndef CLAMMA_APPS_CHAT_ANSWER_OUTPUT_H_
#define CLAMMA_APPS_CHAT_ANSWER_OUTPUT_H_

#include <clamma-extra.h>

#include <chrono>
#include <string>
#include <string_view>

#include "text_output.h"

// What becomes of thoughts.
enum class Think { kShow, kDim, kHide };

class AnswerOutput {
 public:
  // On a terminal that takes colours, `colour`; `thinks`: the model begins inside its thoughts, as
  // the template has opened them.
  AnswerOutput(Think think, bool colour, bool thinks);
  ~AnswerOutput() { Finish(); }
  AnswerOutput(const AnswerOutput&) = delete;
  AnswerOutput& operator=(const AnswerOutput&) = delete;

  // A further piece, whole characters. False: it cannot be written.
  bool Write(const char* text);

  // Ends the answer: what was held back is written, and the terminal is as it was. False: something
  // could not be written.
  bool Finish();

  // How far the query is: once before its first step, then behind each. While it reads the prompt,
  // and while its thoughts are hidden, a terminal shows it from half a second on.
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
  std::string held_;         // what may be the beginning of a mark
  bool begun_ = false;       // there was a piece
  bool skip_space_ = false;  // in front of the answer proper
  bool finished_ = false;
  TextOutput output_{stdout};
  bool shows_progress_;
  bool progress_shown_ = false;
  bool counts_ = false;
  size_t first_position_ = 0;  // where the prompt begins
  Clock::time_point next_ = Clock::now() + std::chrono::milliseconds(500);  // of a line
};

#endif  // CLAMMA_APPS_CHAT_ANSWER_OUTPUT_H_
