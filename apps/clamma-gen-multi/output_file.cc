// SPDX-License-Identifier: MIT
#include "output_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace {

// Why an existing open file must not be overwritten; "": it may be.
std::string WhyNotOurs(int fd) {
  struct stat facts = {};
  if (fstat(fd, &facts) != 0) return std::strerror(errno);
  if (!S_ISREG(facts.st_mode)) return "not a regular file";
  if (facts.st_uid != geteuid()) return "belongs to another user";
  if (facts.st_nlink > 1) return "has another name as well (a hard link)";
  return "";
}

std::string WhyNotOpened(int error) {
  if (error == ELOOP) return "is a symbolic link";
  if (error == ENXIO) return "not a regular file";  // a pipe that nobody reads, a socket
  return std::strerror(error);
}

}  // namespace

std::FILE* OpenOutput(const std::string& path, std::string* reason) {
  // O_NONBLOCK, because the path may be a pipe. It has no effect on a regular file.
  const int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  int fd = open(path.c_str(), flags | O_CREAT | O_EXCL, 0600);
  const bool was_there = fd < 0 && errno == EEXIST;
  if (was_there) fd = open(path.c_str(), flags);
  if (fd < 0) {
    *reason = WhyNotOpened(errno);
    return nullptr;
  }
  *reason = was_there ? WhyNotOurs(fd) : "";
  // A file system without locks is accepted.
  if (reason->empty() && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    *reason = "is being written by another process";
  }
  if (reason->empty() && was_there && ftruncate(fd, 0) != 0) *reason = std::strerror(errno);
  std::FILE* file = reason->empty() ? fdopen(fd, "w") : nullptr;
  if (file == nullptr) {
    if (reason->empty()) *reason = std::strerror(errno);
    close(fd);
  }
  return file;
}
