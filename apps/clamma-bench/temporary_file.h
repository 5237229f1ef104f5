// SPDX-License-Identifier: MIT
// A file that does not outlive the program, however it is ended.
#ifndef CLAMMA_BENCH_TEMPORARY_FILE_H_
#define CLAMMA_BENCH_TEMPORARY_FILE_H_

#include <string>

namespace bench {

// One at a time. removed_on_signal::HandleSignals() sees to signals.
class TemporaryFile {
 public:
  TemporaryFile() = default;
  ~TemporaryFile() { Remove(); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  // Creates `path`, or, if that is empty, a file of a new name in TMPDIR. Returns its descriptor,
  // or -1, with the reason in errno.
  int Create(const std::string& path);
  const std::string& path() const { return path_; }
  void Keep();    // it is no longer temporary
  void Remove();  // now
 private:
  std::string path_;
};

}  // namespace bench

#endif  // CLAMMA_BENCH_TEMPORARY_FILE_H_
