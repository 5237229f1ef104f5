// SPDX-License-Identifier: MIT
// The one way an operation reports failure inside the library. Data gets a Status; assert is for
// our own bugs only.
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
  kNotFound,         // a file is not there
  kIo,               // a file is there and cannot be read
  kCorrupt,          // the bytes are not what their format says
  kOutOfMemory,      // an allocation or a thread could not be had
  kLimit,            // a stated limit (context, cache, sessions) is reached
  kBusy,             // the object is at work on something else
};

// A code and, unless ok, one line that says what is wrong and what to do. Never allocates.
class [[nodiscard]] Status {
 public:
  static constexpr size_t kMaxMessage = 512;  // bytes, with the final NUL

  Status() { message_[0] = '\0'; }
  Status(const Status& other) { *this = other; }
  Status& operator=(const Status& other) {
    if (this == &other) return *this;
    CopyMessage(other);
    code_ = other.code_;  // here, where an analyzer sees it
    return *this;
  }

  // printf-like; a longer message ends in "...".
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

// Puts the place in front of what is wrong there, such as a file's path.
Status Locate(const char* place, const Status& status);

#define CLAMMA_RETURN_IF_ERROR(expression)          \
  do {                                              \
    const ::clamma::Status& status_ = (expression); \
    if (!status_.ok()) return status_;              \
  } while (false)

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_STATUS_H_
