// SPDX-License-Identifier: MIT
// Finds the real checkpoints and the golden texts: in $CLAMMA_TEST_DATA (a folder that contains
// models/ and golden/, or the models folder itself), else in ../shared beside the source tree. A
// test whose files are missing is skipped.
#ifndef CLAMMA_TESTS_SUPPORT_TEST_DATA_H_
#define CLAMMA_TESTS_SUPPORT_TEST_DATA_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace clamma_test {

inline std::filesystem::path DataRoot() {
  const char* given = std::getenv("CLAMMA_TEST_DATA");
  if (given == nullptr || given[0] == '\0') {
    return std::filesystem::path(CLAMMA_SOURCE_DIR) / ".." / "shared";
  }
  const std::filesystem::path path(given);
  return std::filesystem::exists(path / "models") ? path : path / "..";
}

inline std::string ModelPath(const std::string& name) { return DataRoot() / "models" / name; }
inline std::string GoldenPath(const std::string& name) { return DataRoot() / "golden" / name; }

inline std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline std::vector<uint8_t> ReadBytes(const std::string& path) {
  const std::string text = ReadText(path);
  return {text.begin(), text.end()};
}

// Returns a golden text without the newline at the end of its file.
inline std::string ReadGolden(const std::string& name) {
  std::string text = ReadText(GoldenPath(name + ".txt"));
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace clamma_test

// Skips the test if a file of the test data is missing.
#define CLAMMA_NEED_FILE(path)                                                 \
  do {                                                                         \
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is missing"; \
  } while (false)

#endif  // CLAMMA_TESTS_SUPPORT_TEST_DATA_H_
