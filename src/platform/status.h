// SPDX-License-Identifier: MIT
// How operations report failure inside the library. Data gets a Status; assert is only for our own
// bugs.
#ifndef CLAMMA_PLATFORM_STATUS_H_
#define CLAMMA_PLATFORM_STATUS_H_

#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include "platform/format.h"

namespace clamma {

enum class StatusCode : uint8_t {
  kOk = 0,
  kInvalidArgument,  // the caller asked for something that makes no sense
  kNotFound,         // a file does not exist
  kIo,               // a file exists, but cannot be read
  kCorrupt,          // the bytes do not follow their format
  kOutOfMemory,      // memory could not be allocated, or a thread not be started
  kLimit,            // a stated limit (context, cache, sessions) is reached
  kBusy,             // the object is in use
};

// A code and, unless it is kOk, one line that says what is wrong and what to do. Never allocates.
class [[nodiscard]] Status {
 public:
  static constexpr size_t kMaxMessage = 512;  // bytes, including the final NUL

  Status() { message_[0] = '\0'; }
  Status(const Status& other) { *this = other; }
  Status& operator=(const Status& other) {
    if (this == &other) return *this;
    CopyMessage(other);
    code_ = other.code_;  // not in CopyMessage(), so that static analysis sees it
    return *this;
  }

  // Takes a format as Format() does. A message that is too long ends in "...".
  CLAMMA_PRINTF_LIKE(2, 3) static Status Error(StatusCode code, const char* format, ...);
  static Status OutOfMemory(uint64_t bytes);
  static Status ArenaTooSmall(size_t size, uint64_t needed);

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const char* message() const { return message_; }

 private:
  void CopyMessage(const Status& other);

  StatusCode code_ = StatusCode::kOk;
  char message_[kMaxMessage];
};

// Puts a place, such as a file's path, in front of an error message.
Status Locate(const char* place, const Status& status);

#define CLAMMA_RETURN_IF_ERROR(expression)          \
  do {                                              \
    const ::clamma::Status& status_ = (expression); \
    if (!status_.ok()) return status_;              \
  } while (false)

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_STATUS_H_
