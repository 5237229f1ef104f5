// SPDX-License-Identifier: MIT
#include "text_input.h"

#include <cstddef>

#include "text_file.h"

namespace {
constexpr size_t kMaxTextBytes = size_t{1} << 28;  // a token is rarely longer than 16
}  // namespace

std::string ReadText(const std::string& path, std::string* text) {
  if (std::string wrong = ReadTextFile(path, kMaxTextBytes, text); !wrong.empty()) return wrong;
  if (text->size() > kMaxTextBytes) return path + ": is longer than any context";
  if (text->find('\0') != std::string::npos) return path + ": has a NUL byte in it";
  return "";
}
