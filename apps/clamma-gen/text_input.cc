// SPDX-License-Identifier: MIT
#include "text_input.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {
constexpr size_t kMaxTextBytes = size_t{1} << 28;  // a token is rarely longer than 16
}  // namespace

std::string ReadText(const std::string& path, std::string* text) {
  const bool from_stdin = path == "-";
  std::FILE* const file = from_stdin ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) return path + ": " + std::strerror(errno);
  char piece[65536];
  size_t size = 0;
  while (text->size() <= kMaxTextBytes && (size = std::fread(piece, 1, sizeof(piece), file)) > 0) {
    text->append(piece, size);
  }
  const int error = std::ferror(file) != 0 ? errno : 0;
  if (!from_stdin) std::fclose(file);
  if (error != 0) return path + ": " + std::strerror(error);
  if (text->size() > kMaxTextBytes) return path + ": is longer than any context";
  if (text->find('\0') != std::string::npos) return path + ": has a NUL byte in it";
  return "";
}
