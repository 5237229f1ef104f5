// SPDX-License-Identifier: MIT
// Text from a file or a user, made fit for a message.
#ifndef CLAMMA_PLATFORM_QUOTED_H_
#define CLAMMA_PLATFORM_QUOTED_H_

#include <cstddef>
#include <string_view>

namespace clamma {

// The text in quotation marks, on one line, in ASCII: any other byte is escaped. A long text is
// cut, and "..." follows its closing mark. Any bytes are safe.
class Quoted {
 public:
  explicit Quoted(std::string_view text);
  const char* c_str() const { return text_; }

 private:
  static constexpr size_t kMaxBytes = 80;  // between the marks, escapes counted as written
  char text_[kMaxBytes + sizeof("\"\"...")];
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_QUOTED_H_
