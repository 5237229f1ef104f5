// SPDX-License-Identifier: MIT
// A model's text on its way to a file, a pipe or a terminal. Copy this folder with the app that you
// start from.
#ifndef CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_
#define CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_

#include <unistd.h>

#include <cstdio>

// Whether a character steers a terminal: C0 (but for newline and tab), DEL, and C1, which is C2 80
// to C2 9F.
inline bool SteersTerminal(const char* c) {
  const auto byte = static_cast<unsigned char>(c[0]);
  const auto next = static_cast<unsigned char>(byte == 0 ? 0 : c[1]);
  if (byte == 0xc2) return next >= 0x80 && next < 0xa0;
  return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
}

// Writes text as it comes. What it holds must not steer a terminal; files and pipes get every byte.
class TextOutput {
 public:
  explicit TextOutput(std::FILE* file) : file_(file), to_terminal_(isatty(fileno(file)) != 0) {}

  // Returns false from the first failure on, with its reason in errno that time.
  bool Write(const char* text) {
    if (failed_) return false;
    for (const char* c = text; *c != '\0'; ++c) {
      if (to_terminal_ && SteersTerminal(c)) {
        if (*c == '\xc2') ++c;
        continue;
      }
      if (std::fputc(*c, file_) == EOF) failed_ = true;
    }
    if (std::fflush(file_) != 0) failed_ = true;
    return !failed_;
  }

  bool failed() const { return failed_; }
  bool to_terminal() const { return to_terminal_; }

 private:
  std::FILE* file_;
  bool to_terminal_;
  bool failed_ = false;
};

#endif  // CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_
