// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "platform/file.h"

namespace clamma {

// O_NONBLOCK keeps open() from blocking on a FIFO. It has no effect on regular files.
int File::OpenReadOnly(const char* path) {
  int descriptor = -1;
  do {
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

int File::Duplicate(int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 0); }

bool File::IsAbsolute(const char* path) { return path[0] == '/'; }

const char* File::EnvironmentFolder() {
#ifdef __linux__
  return secure_getenv("CLAMMA_MODEL_DIR");
#else
  const bool privileged = getuid() != geteuid() || getgid() != getegid();
  return privileged ? nullptr : std::getenv("CLAMMA_MODEL_DIR");
#endif
}

Status File::Examine(const char* path) {
  struct stat info = {};
  if (fstat(descriptor_, &info) != 0) {
    return Status::Error(StatusCode::kIo, "cannot stat '%s': %s", path, std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return Status::Error(StatusCode::kIo, "'%s' is not a regular file", path);
  }
  file_size_ = static_cast<uint64_t>(info.st_size);
  return Status();
}

Status File::ReadSome(uint64_t offset, void* destination, size_t n, size_t* got) const {
  ssize_t result = 0;
  do {
    result = pread(descriptor_, destination, n, static_cast<off_t>(offset));
  } while (result < 0 && errno == EINTR);
  if (result < 0) {
    return Status::Error(StatusCode::kIo, "cannot read at byte %llu: %s",
                         static_cast<unsigned long long>(offset), std::strerror(errno));
  }
  *got = static_cast<size_t>(result);
  return Status();
}

Status File::MapAll() {
  void* mapping =
      mmap(nullptr, static_cast<size_t>(file_size_), PROT_READ, MAP_PRIVATE, descriptor_, 0);
  if (mapping == MAP_FAILED) {
    return Status::Error(StatusCode::kIo, "cannot map the file: %s", std::strerror(errno));
  }
  mapping_ = mapping;
  return Status();
}

void File::CloseDescriptor() {
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = -1;
}

void File::Close() {
  if (mapping_ != nullptr) munmap(mapping_, static_cast<size_t>(file_size_));
  CloseDescriptor();
  mapping_ = nullptr;
  file_size_ = begin_ = size_ = 0;
}

}  // namespace clamma
