// SPDX-License-Identifier: MIT
// A file that is removed when the program ends, also by a signal.
#ifndef CLAMMA_BENCH_TEMPORARY_FILE_H_
#define CLAMMA_BENCH_TEMPORARY_FILE_H_

#include <string>

namespace bench {

// Only one may exist at a time. removed_on_signal::HandleSignals() handles the signals.
class TemporaryFile {
 public:
  TemporaryFile() = default;
  ~TemporaryFile() { Remove(); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  // Creates `path` or, if that is empty, a file with a unique name in TMPDIR. Returns its
  // descriptor, or -1 with the reason in errno.
  int Create(const std::string& path);
  const std::string& path() const { return path_; }
  void Keep();    // makes it permanent
  void Remove();  // removes it at once
 private:
  std::string path_;
};

}  // namespace bench

#endif  // CLAMMA_BENCH_TEMPORARY_FILE_H_
