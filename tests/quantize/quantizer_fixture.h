// SPDX-License-Identifier: MIT
// The code that the tests of Quantizer share: models in files, and a sink that keeps its input.
#ifndef CLAMMA_TESTS_QUANTIZE_QUANTIZER_FIXTURE_H_
#define CLAMMA_TESTS_QUANTIZE_QUANTIZER_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "quantize/quantizer.h"
#include "temporary_folder.h"

namespace clamma {

// A sink that keeps its input, and counts the pieces.
struct Kept {
  std::vector<uint8_t> bytes;
  size_t largest = 0;
  size_t room = SIZE_MAX;

  static Status Write(void* self, const uint8_t* bytes, size_t n) {
    Kept& kept = *static_cast<Kept*>(self);
    if (n > kept.room) return Status::Error(StatusCode::kIo, "the disk is full");
    kept.room -= n;
    kept.largest = std::max(kept.largest, n);
    kept.bytes.insert(kept.bytes.end(), bytes, bytes + n);
    return {};
  }
};

class QuantizerTest : public testing::Test {
 protected:
  // Opens a file with these bytes.
  void Open(const std::vector<uint8_t>& bytes) {
    OpenPath(folder_.Write("model" + std::to_string(++n_), bytes));
  }
  void OpenPath(const std::string& path) {
    files_.emplace_back(std::make_unique<ModelFiles>());
    const Status status = files_.back()->Open(memory_, path.c_str(), "", false);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  // Returns "" or the reason. The new file is in kept_.
  std::string Run(const char* type, unsigned threads = 1, Quantizer::Options options = {}) {
    options.recipe = FindRecipe(type);
    options.threads = threads;
    quantizer_ = std::make_unique<Quantizer>();
    kept_.bytes.clear();
    Status status = quantizer_->Plan(memory_, *files_.back(), options);
    if (status.ok()) status = quantizer_->Write({&Kept::Write, &kept_}, {});
    return status.message();
  }

  Gguf& Parsed() {
    parsed_ = std::make_unique<Gguf>();
    uint64_t wanted = 0;
    const Status status = parsed_->Parse(memory_, kept_.bytes.data(), kept_.bytes.size(),
                                         kept_.bytes.size(), &wanted);
    EXPECT_TRUE(status.ok()) << status.message();
    return *parsed_;
  }

  Memory memory_;
  clamma_test::TemporaryFolder folder_;
  int n_ = 0;
  std::vector<std::unique_ptr<ModelFiles>> files_;
  std::unique_ptr<Quantizer> quantizer_;
  Kept kept_;
  std::unique_ptr<Gguf> parsed_;
};

inline std::vector<uint8_t> DataOf(const std::vector<uint8_t>& file, const GgufTensor& tensor) {
  const auto begin = file.begin() + static_cast<std::ptrdiff_t>(tensor.offset);
  return {begin, begin + static_cast<std::ptrdiff_t>(tensor.bytes)};
}

}  // namespace clamma

#endif  // CLAMMA_TESTS_QUANTIZE_QUANTIZER_FIXTURE_H_
