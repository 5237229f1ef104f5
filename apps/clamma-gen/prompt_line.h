// SPDX-License-Identifier: MIT
#ifndef CLAMMA_GEN_PROMPT_LINE_H_
#define CLAMMA_GEN_PROMPT_LINE_H_

#include <cstddef>
#include <cstdio>

// Shows on a terminal how far a long prompt has been processed, in a line that is erased
// afterwards.
class PromptLine {
 public:
  ~PromptLine() { Erase(); }
  void Show(size_t processed, size_t total) {
    if (processed == total) return Erase();
    std::fprintf(stderr, "\rprompt: %zu of %zu tokens", processed, total);
    is_shown_ = true;
  }

 private:
  void Erase() {
    if (is_shown_) std::fputs("\r\x1b[K", stderr);
    is_shown_ = false;
  }
  bool is_shown_ = false;
};

#endif  // CLAMMA_GEN_PROMPT_LINE_H_
