// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "platform/file.h"

namespace clamma {
namespace {

// O_NONBLOCK: a path that names a FIFO must not hang us; it has no effect on regular files.
int OpenReadOnly(const char* path) {
  int descriptor = -1;
  do {
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

}  // namespace

Status File::Open(const char* path, const char* model_dir) {
  Close();
  descriptor_ = OpenReadOnly(path);
  const bool search = descriptor_ < 0 && errno == ENOENT && path[0] != '/' && path[0] != '\0';
  if (search) {
    char candidate[PATH_MAX];
    const int length = std::snprintf(candidate, sizeof(candidate), "%s/%s", model_dir, path);
    if (length > 0 && static_cast<size_t>(length) < sizeof(candidate)) {
      descriptor_ = OpenReadOnly(candidate);
    } else {
      errno = ENAMETOOLONG;
    }
  }
  if (descriptor_ < 0) {
    const int error = errno;
    return Status::Error(error == ENOENT ? StatusCode::kNotFound : StatusCode::kIo,
                         "cannot open '%s': %s%s%s", path, std::strerror(error),
                         search ? ", neither here nor in " : "", search ? model_dir : "");
  }
  struct stat info = {};
  if (fstat(descriptor_, &info) != 0) {
    const int error = errno;
    Close();
    return Status::Error(StatusCode::kIo, "cannot stat '%s': %s", path, std::strerror(error));
  }
  if (!S_ISREG(info.st_mode)) {
    Close();
    return Status::Error(StatusCode::kIo, "'%s' is not a regular file", path);
  }
  size_ = static_cast<uint64_t>(info.st_size);
  return Status();
}

Status File::Read(uint64_t offset, void* destination, size_t n) const {
  auto* out = static_cast<uint8_t*>(destination);
  while (n > 0) {
    // Linux moves at most 2 GiB a call, and some systems refuse more.
    const size_t piece = n < (size_t{1} << 30) ? n : size_t{1} << 30;
    const ssize_t got = pread(descriptor_, out, piece, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return Status::Error(StatusCode::kIo, "cannot read at byte %llu: %s",
                           static_cast<unsigned long long>(offset), std::strerror(errno));
    }
    if (got == 0) {
      return Status::Error(StatusCode::kIo, "the file ends before byte %llu: was it cut short?",
                           static_cast<unsigned long long>(offset) + n);
    }
    out += got;
    offset += static_cast<uint64_t>(got);
    n -= static_cast<size_t>(got);
  }
  return Status();
}

Status File::Map(const uint8_t** data) {
  if (size_ == 0) return Status::Error(StatusCode::kCorrupt, "the file is empty");
  if (size_ > SIZE_MAX) {
    return Status::Error(StatusCode::kLimit, "the file is too large to map on this machine");
  }
  if (mapping_ == nullptr) {
    void* mapping =
        mmap(nullptr, static_cast<size_t>(size_), PROT_READ, MAP_PRIVATE, descriptor_, 0);
    if (mapping == MAP_FAILED) {
      return Status::Error(StatusCode::kIo, "cannot map the file: %s", std::strerror(errno));
    }
    mapping_ = mapping;
    close(descriptor_);  // the mapping stands without it
    descriptor_ = -1;
  }
  *data = static_cast<const uint8_t*>(mapping_);
  return Status();
}

void File::Close() {
  if (mapping_ != nullptr) munmap(mapping_, static_cast<size_t>(size_));
  if (descriptor_ >= 0) close(descriptor_);
  mapping_ = nullptr;
  descriptor_ = -1;
  size_ = 0;
}

}  // namespace clamma
