// SPDX-License-Identifier: MIT
// Writes a model's text to a file, a pipe or a terminal. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_
#define CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_

#include <cstdio>

// Returns whether a character controls a terminal: C0 (except newline and tab), DEL, and C1, which
// is C2 80 to C2 9F in UTF-8.
bool SteersTerminal(const char* c);

// Writes text as it arrives. Terminals do not get characters that control them; files and pipes get
// every byte.
class TextOutput {
 public:
  explicit TextOutput(std::FILE* file);

  // Writes and flushes the text. Returns false from the first failure on.
  bool Write(const char* text);

  int error() const { return error_; }  // the errno of the first failure; 0: none

 private:
  std::FILE* file_;
  bool to_terminal_;
  int error_ = 0;
};

#endif  // CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_
