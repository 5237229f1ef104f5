// SPDX-License-Identifier: MIT
// Read-only files: whole-file mappings and positioned reads.
#ifndef CLAMMA_PLATFORM_FILE_H_
#define CLAMMA_PLATFORM_FILE_H_

#include <cstddef>
#include <cstdint>

#include "platform/status.h"

namespace clamma {

class File {
 public:
  File() = default;
  ~File() { Close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Opens a regular file: first `path` as it is, then, if it is relative, in `model_dir`.
  Status Open(const char* path, const char* model_dir);

  // Reads exactly n bytes at `offset`; less is an error. Any thread.
  Status Read(uint64_t offset, void* destination, size_t n) const;

  // Maps the whole file, shared with every other process that maps it. Valid until Close().
  Status Map(const uint8_t** data);

  void Close();
  bool is_open() const { return descriptor_ >= 0; }
  uint64_t size() const { return size_; }

 private:
  int descriptor_ = -1;
  uint64_t size_ = 0;
  void* mapping_ = nullptr;
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_FILE_H_
