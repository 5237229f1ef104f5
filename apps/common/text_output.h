// SPDX-License-Identifier: MIT
// A model's text on its way to a file, a pipe or a terminal. Copy this folder with the app that you
// start from.
#ifndef CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_
#define CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_

#include <cstdio>

// Whether a character steers a terminal: C0 (but for newline and tab), DEL, and C1, which is C2 80
// to C2 9F.
bool SteersTerminal(const char* c);

// Writes text as it comes. What it holds must not steer a terminal; files and pipes get every byte.
class TextOutput {
 public:
  explicit TextOutput(std::FILE* file);

  // Passes it on at once. Returns false from the first failure on.
  bool Write(const char* text);

  int error() const { return error_; }  // the errno of the first failure; 0: none

 private:
  std::FILE* file_;
  bool to_terminal_;
  int error_ = 0;
};

#endif  // CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_
