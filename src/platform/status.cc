// SPDX-License-Identifier: MIT
#include "platform/status.h"

#include <cstring>

#include "platform/format.h"

namespace clamma {

// Copies no message if the status is OK, as most are.
void Status::CopyMessage(const Status& other) {
  if (other.ok()) {
    message_[0] = '\0';
  } else {
    std::memcpy(message_, other.message_, sizeof(message_));
  }
}

Status Status::Error(StatusCode code, const char* format, ...) {
  Status status;
  status.code_ = code;
  va_list args;
  va_start(args, format);
  const size_t length = FormatList(status.message_, sizeof(status.message_), format, args);
  va_end(args);
  if (length >= kMaxMessage) {
    std::memcpy(status.message_ + kMaxMessage - 4, "...", 4);
  }
  // The message is one line, whatever characters a path contains.
  for (char* c = status.message_; *c != '\0'; ++c) {
    if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f) *c = '?';
  }
  return status;
}

Status Status::OutOfMemory(uint64_t bytes) {
  return Error(StatusCode::kOutOfMemory, "out of memory: %llu bytes could not be allocated",
               static_cast<unsigned long long>(bytes));
}

Status Status::ArenaTooSmall(size_t size, uint64_t needed) {
  return Error(StatusCode::kOutOfMemory,
               "out of memory: the arena has %zu bytes, and %llu are needed", size,
               static_cast<unsigned long long>(needed));
}

Status Locate(const char* place, const Status& status) {
  if (status.ok()) return status;
  return Status::Error(status.code(), "%s: %s", place, status.message());
}

}  // namespace clamma
