// SPDX-License-Identifier: MIT
#include "text_output.h"

#include <unistd.h>

#include <cerrno>

namespace {

int Reason() { return errno != 0 ? errno : EIO; }

}  // namespace

bool SteersTerminal(const char* c) {
  const auto byte = static_cast<unsigned char>(c[0]);
  const auto next = static_cast<unsigned char>(byte == 0 ? 0 : c[1]);
  if (byte == 0xc2) return next >= 0x80 && next < 0xa0;
  return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
}

TextOutput::TextOutput(std::FILE* file) : file_(file), to_terminal_(isatty(fileno(file)) != 0) {}

bool TextOutput::Write(const char* text) {
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
