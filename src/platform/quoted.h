// SPDX-License-Identifier: MIT
// Makes text from a file or a user safe for a message.
#ifndef CLAMMA_PLATFORM_QUOTED_H_
#define CLAMMA_PLATFORM_QUOTED_H_

#include <cstddef>
#include <string_view>

namespace clamma {

// The text in quotation marks, on one line, in ASCII; all other bytes are escaped. A long text is
// cut, and "..." follows the closing mark. Any bytes are safe.
class Quoted {
 public:
  explicit Quoted(std::string_view text);
  const char* c_str() const { return text_; }

 private:
  static constexpr size_t kMaxBytes = 80;  // between the marks, with escapes
  char text_[kMaxBytes + sizeof("\"\"...")];
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_QUOTED_H_
