// SPDX-License-Identifier: MIT
// A checkpoint's bytes, in memory or in an open file.
#ifndef CLAMMA_MODEL_BYTE_SOURCE_H_
#define CLAMMA_MODEL_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "platform/file.h"
#include "platform/status.h"

namespace clamma {

struct ByteSource {
  const uint8_t* base = nullptr;  // the bytes in memory; nullptr: they are read from `file`
  const File* file = nullptr;
  uint64_t size = 0;

  // The range must lie within size.
  Status Read(uint64_t offset, void* destination, size_t n) const {
    if (base == nullptr) return file->Read(offset, destination, n);
    std::memcpy(destination, base + offset, n);
    return Status();
  }
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_BYTE_SOURCE_H_
