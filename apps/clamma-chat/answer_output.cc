// SPDX-License-Identifier: MIT
#include "answer_output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "terminal.h"
#include "tty.h"

namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr char kWhiteSpace[] = " \t\r\n";
constexpr char kDim[] = "\x1b[2m";

// The number of bytes at the end of `text` that may be the beginning of `mark`.
size_t BegunAtTheEnd(std::string_view text, std::string_view mark) {
  for (size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == mark.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

AnswerOutput::AnswerOutput(Think think, bool colour, bool thinks)
    : think_(think), colour_(colour), shows_progress_(tty::TakesEscapes(STDERR_FILENO)) {
  if (thinks) Enter(Part::kThoughts);
}

void AnswerOutput::Enter(Part part) {
  part_ = part;
  const bool dim = part == Part::kThoughts && think_ == Think::kDim;
  if (colour_) terminal::SetStyle(dim ? kDim : nullptr);
  skip_space_ = part == Part::kAnswer && think_ == Think::kHide;
}

// Writes text of one part.
bool AnswerOutput::Pass(std::string_view text) {
  if (part_ == Part::kThoughts && think_ == Think::kHide) return true;
  if (skip_space_) {
    text.remove_prefix(std::min(text.find_first_not_of(kWhiteSpace), text.size()));
    skip_space_ = text.empty();
  }
  if (text.empty()) return true;
  ClearProgress();
  return output_.Write(std::string(text).c_str());
}

bool AnswerOutput::Write(const char* text) {
  begun_ = true;
  held_ += text;
  if (part_ == Part::kBegin) {
    const size_t begin = std::min(held_.find_first_not_of(kWhiteSpace), held_.size());
    const std::string_view rest = std::string_view{held_}.substr(begin);
    if (rest.size() < kOpen.size() && kOpen.starts_with(rest)) return true;  // undecided
    Enter(rest.starts_with(kOpen) ? Part::kThoughts : Part::kAnswer);
    skip_space_ = false;  // there is no reasoning
  }
  if (part_ == Part::kThoughts) {
    const size_t found = held_.find(kClose);
    if (found == std::string::npos) {
      const size_t ready = held_.size() - BegunAtTheEnd(held_, kClose);
      const bool good = Pass(std::string_view{held_}.substr(0, ready));
      held_.erase(0, ready);
      return good;
    }
    const size_t end = found + kClose.size();
    const bool good = Pass(std::string_view{held_}.substr(0, end));
    held_.erase(0, end);
    Enter(Part::kAnswer);
    if (!good) return false;
  }
  const bool good = Pass(held_);
  held_.clear();
  return good;
}

bool AnswerOutput::Finish() {
  if (finished_) return output_.error() == 0;
  finished_ = true;
  const bool good = Pass(held_);
  ClearProgress();
  Enter(Part::kAnswer);  // the terminal's colour again
  return good && output_.error() == 0;
}

void AnswerOutput::ShowProgress(const clamma_session_facts_t& facts) {
  if (!shows_progress_) return;
  if (!counts_) first_position_ = facts.position;
  counts_ = true;
  const bool reads = !begun_ && facts.generated_tokens == 0;
  const bool hides = part_ == Part::kThoughts && think_ == Think::kHide;
  if ((!reads && !hides) || Clock::now() < next_) return;
  next_ = Clock::now() + std::chrono::milliseconds(100);
  char line[96];
  if (reads) {
    std::snprintf(line, sizeof(line), "reading the prompt: %zu of %zu tokens",
                  facts.position - std::min(facts.position, first_position_), facts.prompt_tokens);
  } else {
    std::snprintf(line, sizeof(line), "thinking: %zu tokens", facts.generated_tokens);
  }
  ShowLine(line);
}

// Shows a row on the terminal, which the next row replaces or ClearProgress() removes.
void AnswerOutput::ShowLine(const char* line) {
  std::fprintf(stderr, "\r\x1b[K%.*s", static_cast<int>(terminal::Columns() - 1), line);
  std::fflush(stderr);
  progress_shown_ = true;
}

void AnswerOutput::ClearProgress() {
  if (!progress_shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  progress_shown_ = false;
}
