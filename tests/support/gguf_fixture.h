// SPDX-License-Identifier: MIT
// Parsing of GGUF files for tests.
#ifndef CLAMMA_TESTS_SUPPORT_GGUF_FIXTURE_H_
#define CLAMMA_TESTS_SUPPORT_GGUF_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gguf_bytes.h"
#include "model/files/gguf.h"

namespace clamma_test {

// A parsed file and the bytes that its views point to: a copy of the exact size, so that a
// sanitizer sees every read beyond it.
class ParsedGguf {
 public:
  explicit ParsedGguf(const std::vector<uint8_t>& bytes) : ParsedGguf(bytes, bytes.size()) {}
  ParsedGguf(const std::vector<uint8_t>& bytes, uint64_t file_size)
      : bytes_(std::make_unique<uint8_t[]>(bytes.size())) {
    if (!bytes.empty()) std::memcpy(bytes_.get(), bytes.data(), bytes.size());
    status_ = gguf_.Parse(memory_, bytes_.get(), bytes.size(), file_size, &wanted_);
  }
  explicit ParsedGguf(const GgufBytes& file) : ParsedGguf(file.Build()) {}

  const clamma::Gguf& operator*() const { return gguf_; }
  const clamma::Gguf* operator->() const { return &gguf_; }
  const clamma::Status& status() const { return status_; }
  uint64_t wanted() const { return wanted_; }
  size_t bytes_in_use() const { return memory_.bytes_in_use(); }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  clamma::Memory memory_;
  clamma::Gguf gguf_;
  clamma::Status status_;
  uint64_t wanted_ = 0;
};

// Expects a refusal whose reason contains each of the texts.
inline void ExpectReason(const clamma::Status& status, const std::vector<std::string>& texts) {
  ASSERT_FALSE(status.ok());
  const std::string message = status.message();
  for (const std::string& text : texts) {
    EXPECT_NE(message.find(text), std::string::npos) << message << "\nlacks: " << text;
  }
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_GGUF_FIXTURE_H_
