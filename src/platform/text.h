// SPDX-License-Identifier: MIT
// Parts of texts. Not by std::string_view::substr() and starts_with(), whose exception would be the
// one thing to link of the C++ library.
#ifndef CLAMMA_PLATFORM_TEXT_H_
#define CLAMMA_PLATFORM_TEXT_H_

#include <cstddef>
#include <string_view>

namespace clamma {

// The first n bytes, or all if there are fewer.
inline std::string_view Front(std::string_view text, size_t n) {
  return {text.data(), n < text.size() ? n : text.size()};
}

inline bool StartsWith(std::string_view text, std::string_view start) {
  return Front(text, start.size()) == start;
}

struct TextRange {
  size_t begin;
  size_t end;
};  // bytes [begin, end)

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_TEXT_H_
