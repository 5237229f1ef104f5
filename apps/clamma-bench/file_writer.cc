// SPDX-License-Identifier: MIT
#include "file_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bench {
namespace {

// The number of bytes written at a time, so that systems that can keep files in huge pages do so,
// as for a file read from a disk: memory in pages of 4 KB is read 3 % slower.
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

FileWriter::FileWriter(int fd, uint64_t total, const std::function<void(double)>& progress)
    : fd_(fd), total_(static_cast<double>(total)), progress_(progress) {
  buffer_.reserve(kHugePage + kMaxAppendBytes);
}

char* FileWriter::AppendBytes(size_t bytes) {
  if (buffer_.size() + bytes > buffer_.capacity()) Write(buffer_.size() / kHugePage * kHugePage);
  const size_t at = buffer_.size();
  buffer_.resize(at + bytes);
  return buffer_.data() + at;
}

void FileWriter::Put(const void* data, size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const size_t n = std::min(bytes, kMaxAppendBytes);
    std::memcpy(AppendBytes(n), from, n);
    from += n;
    bytes -= n;
  }
}

void FileWriter::PadTo(uint64_t multiple) {
  const uint64_t over = (written_ + buffer_.size()) % multiple;
  if (over != 0) AppendBytes(static_cast<size_t>(multiple - over));
}

void FileWriter::Write(size_t bytes) {
  size_t done = 0;
  while (error_ == 0 && done < bytes) {
    const ssize_t n = write(fd_, buffer_.data() + done, bytes - done);
    if (n < 0 && errno != EINTR) error_ = errno;
    if (n > 0) done += static_cast<size_t>(n);
  }
  written_ += bytes;
  progress_(static_cast<double>(written_) / total_);
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(bytes));
}

}  // namespace bench
