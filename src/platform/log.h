// SPDX-License-Identifier: MIT
#ifndef CLAMMA_PLATFORM_LOG_H_
#define CLAMMA_PLATFORM_LOG_H_

namespace clamma {

// Writes to stderr, with the library's name in front (log_stdio.cc), or nowhere (log_none.cc).
void WriteToStandardError(const char* message);

// The destination of error messages: the host's function, or stderr if it gives none.
struct Log {
  void (*callback)(void* opaque, const char* message) = nullptr;
  void* opaque = nullptr;

  void Write(const char* message) const {
    if (callback != nullptr) {
      callback(opaque, message);
    } else {
      WriteToStandardError(message);
    }
  }
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_LOG_H_
