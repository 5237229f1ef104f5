// SPDX-License-Identifier: MIT
#include "output_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "removed_on_signal.h"

namespace quantize_app {
namespace {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void HandleSignals() {
  removed_on_signal::HandleSignals();
  signal(SIGXFSZ, SIG_IGN);  // a file at its size limit makes write() fail
}

std::string OutputFile::Fail(int error, const char* what) {
  std::string reason = std::string(what) + " " + part_ + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    char needed[64];
    std::snprintf(needed, sizeof(needed), " (it needs %.1f MB)", static_cast<double>(bytes_) / 1e6);
    reason += needed;
  }
  Remove();
  return reason;
}

std::string OutputFile::Create(const std::string& path, uint64_t bytes) {
  path_ = path;
  part_ = PartOf(path);
  bytes_ = bytes;
  if (!removed_on_signal::Fits(part_)) return part_ + ": " + std::strerror(ENAMETOOLONG);
  struct statvfs room = {};
  if (statvfs(FolderOf(path).c_str(), &room) == 0 &&
      static_cast<double>(room.f_bavail) * static_cast<double>(room.f_frsize) <
          static_cast<double>(bytes)) {
    return Fail(ENOSPC, "cannot write");
  }
  const removed_on_signal::BlockSignals block;
  descriptor_ = open(part_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (descriptor_ < 0) return Fail(errno, "cannot write");
  struct stat facts = {};
  if (fstat(descriptor_, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    close(descriptor_);  // it must not be removed
    descriptor_ = -1;
    return "cannot write " + part_ + ": it is not a regular file";
  }
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(descriptor_);
    descriptor_ = -1;
    return part_ + " is being written by another process";
  }
  removed_on_signal::Set(part_);
  if (ftruncate(descriptor_, 0) != 0) return Fail(errno, "cannot write");
  return "";
}

std::string OutputFile::Write(const void* bytes, size_t n) {
  const char* p = static_cast<const char*>(bytes);
  while (n > 0) {
    const ssize_t written = write(descriptor_, p, n);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Fail(written < 0 ? errno : EIO, "cannot write");
    p += written;
    n -= static_cast<size_t>(written);
  }
  return "";
}

std::string OutputFile::Finish() {
  if (fsync(descriptor_) != 0 && errno != EINVAL) return Fail(errno, "cannot write");
  const removed_on_signal::BlockSignals block;
  if (rename(part_.c_str(), path_.c_str()) != 0) return Fail(errno, "cannot rename");
  removed_on_signal::Set("");
  const int closed = close(descriptor_);
  descriptor_ = -1;
  return closed == 0 ? "" : "cannot write " + path_ + ": " + std::strerror(errno);
}

void OutputFile::Remove() {
  if (descriptor_ < 0) return;
  const removed_on_signal::BlockSignals block;
  unlink(part_.c_str());
  removed_on_signal::Set("");
  close(descriptor_);
  descriptor_ = -1;
}

}  // namespace quantize_app
