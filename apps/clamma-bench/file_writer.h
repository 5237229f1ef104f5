// SPDX-License-Identifier: MIT
#ifndef CLAMMA_BENCH_FILE_WRITER_H_
#define CLAMMA_BENCH_FILE_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace bench {

// A buffered file. After the first error everything is dropped.
class FileWriter {
 public:
  static constexpr size_t kMaxAppendBytes = size_t{4} << 20;

  // Calls `progress` from time to time with the written share of `total` bytes.
  FileWriter(int fd, uint64_t total, const std::function<void(double)>& progress);

  // Appends `count` zeroed items, at most kMaxAppendBytes, and returns them to be filled.
  template <typename T>
  T* Append(size_t count) {
    return reinterpret_cast<T*>(AppendBytes(count * sizeof(T)));
  }
  void Put(const void* data, size_t bytes);  // any number of bytes
  void PadTo(uint64_t multiple);             // pads the file's size
  void Flush() { Write(buffer_.size()); }

  int error() const { return error_; }

 private:
  char* AppendBytes(size_t bytes);
  void Write(size_t bytes);  // writes the first bytes of the buffer, and keeps the others

  const int fd_;
  const double total_;
  const std::function<void(double)>& progress_;
  std::vector<char> buffer_;
  uint64_t written_ = 0;
  int error_ = 0;
};

}  // namespace bench

#endif  // CLAMMA_BENCH_FILE_WRITER_H_
