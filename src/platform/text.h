// SPDX-License-Identifier: MIT
// Parts of texts, and digits. Front() replaces std::string_view::substr(), whose exception would be
// the only reason to link the C++ library.
#ifndef CLAMMA_PLATFORM_TEXT_H_
#define CLAMMA_PLATFORM_TEXT_H_

#include <cstddef>
#include <string_view>

namespace clamma {

// The first n bytes, or all if there are fewer.
inline std::string_view Front(std::string_view text, size_t n) {
  return {text.data(), n < text.size() ? n : text.size()};
}

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin;
  size_t end;
};

inline bool StartsWith(std::string_view text, std::string_view start) {
  return Front(text, start.size()) == start;
}

// The value of a hexadecimal digit of either case; -1: it is none.
inline int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = static_cast<char>(c | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_TEXT_H_
