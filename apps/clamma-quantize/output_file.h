// SPDX-License-Identifier: MIT
// A file that appears only when it is complete: it is written as NAME.part and renamed at the end.
#ifndef CLAMMA_QUANTIZE_OUTPUT_FILE_H_
#define CLAMMA_QUANTIZE_OUTPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace quantize_app {

// From here on Ctrl-C and similar signals remove the .part file of the OutputFile, if there is one,
// and end the program with the exit code 128 + signal.
void HandleSignals();

// Only one may exist at a time. Functions that return text return "" on success, else the reason.
class OutputFile {
 public:
  OutputFile() = default;
  ~OutputFile() { Remove(); }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Creates the .part file of `path`, and checks that there is room for `bytes`.
  std::string Create(const std::string& path, uint64_t bytes);
  std::string Write(const void* bytes, size_t n);
  // Renames the file, and replaces an existing file of that name.
  std::string Finish();

  static std::string PartOf(const std::string& path) { return path + ".part"; }

 private:
  std::string Fail(int error, const char* what);
  void Remove();

  std::string path_;
  std::string part_;
  int descriptor_ = -1;
  uint64_t bytes_ = 0;
};

}  // namespace quantize_app

#endif  // CLAMMA_QUANTIZE_OUTPUT_FILE_H_
