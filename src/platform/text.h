// SPDX-License-Identifier: MIT
// Parts of texts. These replace std::string_view::substr(), whose exception would be the only
// reason to link the C++ library.
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

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_TEXT_H_
