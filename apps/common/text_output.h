// SPDX-License-Identifier: MIT
// A model's text on its way to a file, a pipe or a terminal. Copy this folder with the app that you
// start from.
#ifndef CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_
#define CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_

#include <unistd.h>

#include <cerrno>
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

  // Passes it on at once. Returns false from the first failure on.
  bool Write(const char* text) {
    for (const char* c = text; error_ == 0 && *c != '\0'; ++c) {
      if (to_terminal_ && SteersTerminal(c)) {
        if (*c == '\xc2') ++c;
        continue;
      }
      if (std::fputc(*c, file_) == EOF) error_ = Reason();
    }
    if (error_ == 0 && std::fflush(file_) != 0) error_ = Reason();
    return error_ == 0;
  }

  int error() const { return error_; }  // the errno of the first failure; 0: none

 private:
  static int Reason() { return errno != 0 ? errno : EIO; }

  std::FILE* file_;
  bool to_terminal_;
  int error_ = 0;
};

#endif  // CLAMMA_APPS_COMMON_TEXT_OUTPUT_H_
