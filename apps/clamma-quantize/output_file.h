// SPDX-License-Identifier: MIT
// A file that is there whole or not at all: it is written as NAME.part, and gets its name at the
// end.
#ifndef CLAMMA_QUANTIZE_OUTPUT_FILE_H_
#define CLAMMA_QUANTIZE_OUTPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace quantize_app {

// From here on Ctrl-C and its like remove the part of the OutputFile, if there is one, and end the
// program with the exit code 128 + signal.
void HandleSignals();

// One at a time. Functions that return text return "" on success, else the reason.
class OutputFile {
 public:
  OutputFile() = default;
  ~OutputFile() { Remove(); }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Creates the part of `path`, in which `bytes` are to find room.
  std::string Create(const std::string& path, uint64_t bytes);
  std::string Write(const void* bytes, size_t n);
  // Gives it its name, in place of a file that has it.
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
