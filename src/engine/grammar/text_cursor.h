// SPDX-License-Identifier: MIT
// Where a parser of a notation is in its text.
#ifndef CLAMMA_ENGINE_GRAMMAR_TEXT_CURSOR_H_
#define CLAMMA_ENGINE_GRAMMAR_TEXT_CURSOR_H_

#include <cstddef>
#include <string_view>

namespace clamma {

class TextCursor {
 protected:
  explicit TextCursor(std::string_view text) : text_(text) {}

  bool AtEnd() const { return at_ == text_.size(); }
  // The byte at the cursor, or one further on; NUL behind the end.
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  // Moves on if that byte is next.
  bool Accept(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_TEXT_CURSOR_H_
