// SPDX-License-Identifier: MIT
#include "part_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "failure.h"
#include "json.h"
#include "models.h"
#include "sha256.h"

namespace get {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kReadable = 0644;
constexpr size_t kMaxSidecar = 1 << 16;

std::string Folder(const std::string& path) { return fs::path(path).parent_path().string(); }

std::string Field(const Json& json, const char* name) {
  const Json* field = json.Find(name);
  return field == nullptr ? "" : field->text();
}

}  // namespace

PartFile::PartFile(std::string path)
    : path_(std::move(path)), part_(path_ + ".part"), sidecar_(part_ + ".json") {
  std::error_code error;
  fs::create_directories(Folder(path_), error);
  if (error) throw Failure(kExitHere, Folder(path_) + ": " + error.message());
  Open();
}

PartFile::~PartFile() {
  if (fd_ < 0) return;
  Write();  // keep what can be kept
  // Remove a file that was opened but stayed empty.
  struct stat facts = {};
  if (fstat(fd_, &facts) == 0 && facts.st_size == 0 && facts.st_nlink == 1) unlink(part_.c_str());
  close(fd_);
}

void PartFile::Throw(const std::string& what, int error) const {
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    const char* why = error == EFBIG    ? "the limit of the size of files is reached"
                      : error == EDQUOT ? "the quota is used up"
                                        : "the disk is full";
    throw Failure(kExitHere, what + ": " + why + "; " + models::ReadableSize(size_) +
                                 " are kept; run the same command again to resume");
  }
  throw Failure(kExitHere, what + ": " + std::strerror(error));
}

// The process that holds the lock may rename or remove the file before this one gets the lock. The
// file is then a different one, and is opened again.
void PartFile::Open() {
  for (int tries = 0; tries < 100; ++tries) {
    fd_ = open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kReadable);
    if (fd_ < 0) Throw(part_, errno);
    struct stat mine = {};
    struct stat there = {};
    if (fstat(fd_, &mine) != 0) Throw(part_, errno);
    if (!S_ISREG(mine.st_mode)) throw Failure(kExitHere, part_ + " is no regular file");
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      close(std::exchange(fd_, -1));
      if (error != EWOULDBLOCK) Throw(part_, error);
      throw Failure(kExitHere, "another clamma-get is getting " + path_);
    }
    if (stat(part_.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
        mine.st_dev == there.st_dev) {
      if (fstat(fd_, &mine) != 0) Throw(part_, errno);
      size_ = static_cast<uint64_t>(mine.st_size);
      return;
    }
    close(std::exchange(fd_, -1));
  }
  throw Failure(kExitHere, part_ + " is never the file that was opened");
}

bool PartFile::whole_is_there() const {
  std::error_code none_there;
  return fs::exists(path_, none_there);
}

Origin PartFile::origin() const {
  std::ifstream in(sidecar_, std::ios::binary);
  std::string text(kMaxSidecar, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  const std::optional<Json> json = Json::Parse(text);
  if (!json || !json->is_object()) return {};
  return {Field(*json, "url"), Field(*json, "validator"), Field(*json, "sha256")};
}

void PartFile::Begin(const Origin& origin) {
  // Truncate first: whatever happens in between, no byte can be mistaken for a part of another
  // file.
  pending_.clear();
  if (ftruncate(fd_, 0) != 0) Throw(part_, errno);
  size_ = 0;
  unlink(sidecar_.c_str());  // do not write through a link
  std::ofstream out(sidecar_, std::ios::binary);
  out << Json::Object(
             {{"url", origin.url}, {"validator", origin.validator}, {"sha256", origin.sha256}})
             .Text()
      << '\n';
  out.close();
  if (!out) Throw(sidecar_, errno != 0 ? errno : EIO);
}

void PartFile::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t room = kPiece - static_cast<size_t>(size() % kPiece);
    pending_ += bytes.substr(0, room);
    bytes.remove_prefix(std::min(room, bytes.size()));
    if (size() % kPiece == 0) Flush();
  }
}

int PartFile::Write() {
  const std::string bytes = std::exchange(pending_, {});
  for (std::string_view left = bytes; !left.empty();) {
    const ssize_t count = pwrite(fd_, left.data(), left.size(), static_cast<off_t>(size_));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count < 0 ? errno : ENOSPC;
    size_ += static_cast<uint64_t>(count);
    left.remove_prefix(static_cast<size_t>(count));
  }
  return 0;
}

void PartFile::Flush() {
  if (const int error = Write(); error != 0) Throw(part_, error);
}

std::string PartFile::Head() {
  Flush();
  std::string head(512, '\0');
  const ssize_t count = pread(fd_, head.data(), head.size(), 0);
  head.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return head;
}

std::string PartFile::Sha256() {
  Flush();
  ::Sha256 sum;
  std::vector<char> buffer(size_t{1} << 20);
  for (uint64_t at = 0; at < size_;) {
    ThrowIfInterrupted();
    const ssize_t count = pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) Throw(part_, count < 0 ? errno : EIO);
    sum.Add(buffer.data(), static_cast<size_t>(count));
    at += static_cast<uint64_t>(count);
  }
  return sum.Hex();
}

void PartFile::Finish() {
  Flush();
  if (fsync(fd_) != 0) Throw(part_, errno);
  if (rename(part_.c_str(), path_.c_str()) != 0) Throw(path_, errno);
  unlink(sidecar_.c_str());
  close(std::exchange(fd_, -1));
}

void PartFile::Discard() {
  pending_.clear();
  if (ftruncate(fd_, 0) != 0) Throw(part_, errno);
  size_ = 0;
  unlink(sidecar_.c_str());
}

void PartFile::NeedRoom(uint64_t bytes) const {
  struct statvfs disk = {};
  if (fstatvfs(fd_, &disk) != 0) return;  // writing will report it
  const uint64_t room = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (bytes <= room) return;
  throw Failure(kExitHere, path_ + ": the disk has no room: " + models::ReadableSize(bytes) +
                               " are needed, " + models::ReadableSize(room) + " are free");
}

}  // namespace get
