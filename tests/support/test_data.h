// SPDX-License-Identifier: MIT
// Where the real checkpoints and the texts they must give are: $CLAMMA_TEST_DATA (a folder that
// holds models/ and golden/, or the models folder itself), else ../shared beside the source tree. A
// test that needs one which is not there is skipped by name.
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

// A golden text without the newline that ends the file.
inline std::string ReadGolden(const std::string& name) {
  std::string text = ReadText(GoldenPath(name + ".txt"));
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace clamma_test

// Leaves the test as skipped where a file of the test data is missing.
#define CLAMMA_NEED_FILE(path)                                                 \
  do {                                                                         \
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is missing"; \
  } while (false)

#endif  // CLAMMA_TESTS_SUPPORT_TEST_DATA_H_
