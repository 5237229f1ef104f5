// SPDX-License-Identifier: MIT
#include "temporary_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "removed_on_signal.h"

namespace bench {
namespace {

std::string TemporaryTemplate() {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder == nullptr || *folder == '\0' ? "/tmp" : folder) +
         "/clamma-bench.XXXXXX";
}

}  // namespace

int TemporaryFile::Create(const std::string& path) {
  const removed_on_signal::BlockSignals block;
  path_ = path.empty() ? TemporaryTemplate() : path;
  if (!removed_on_signal::Fits(path_)) {
    path_.clear();
    errno = ENAMETOOLONG;
    return -1;
  }
  const int fd = path.empty() ? mkstemp(path_.data())
                              : open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  struct stat facts = {};
  int error = fd < 0 || fstat(fd, &facts) != 0 ? errno : 0;
  if (error == 0 && !S_ISREG(facts.st_mode)) error = EINVAL;  // a device must not be removed
  if (error != 0) {
    if (fd >= 0) close(fd);
    path_.clear();
    errno = error;
    return -1;
  }
  removed_on_signal::Set(path_);
  return fd;
}

void TemporaryFile::Keep() {
  const removed_on_signal::BlockSignals block;
  removed_on_signal::Set("");
  path_.clear();
}

void TemporaryFile::Remove() {
  const removed_on_signal::BlockSignals block;
  if (!path_.empty()) unlink(path_.c_str());
  removed_on_signal::Set("");
  path_.clear();
}

}  // namespace bench
