// SPDX-License-Identifier: MIT
// Importance matrices in both formats, valid and damaged.
#include "quantize/imatrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "gguf_bytes.h"
#include "temporary_folder.h"

namespace clamma {
namespace {

using clamma_test::FloatBytes;
using clamma_test::GgufBytes;
using clamma_test::PutLe;

struct DatEntry {
  std::string name;
  std::vector<float> values;
};

std::vector<uint8_t> Dat(const std::vector<DatEntry>& entries) {
  std::vector<uint8_t> bytes;
  PutLe(&bytes, static_cast<int32_t>(entries.size()));
  for (const DatEntry& entry : entries) {
    PutLe(&bytes, static_cast<int32_t>(entry.name.size()));
    bytes.insert(bytes.end(), entry.name.begin(), entry.name.end());
    PutLe(&bytes, int32_t{3});
    PutLe(&bytes, static_cast<int32_t>(entry.values.size()));
    for (const float value : entry.values) PutLe(&bytes, value);
  }
  return bytes;
}

GgufBytes Matrix(const std::vector<float>& sums, const std::vector<float>& counts) {
  GgufBytes file;
  file.Add("general.type", "imatrix");
  const uint64_t n = counts.size();
  file.AddTensor("a.weight.in_sum2", clamma_test::kF32, {sums.size() / n, n}, FloatBytes(sums));
  file.AddTensor("a.weight.counts", clamma_test::kF32, {1, n}, FloatBytes(counts));
  return file;
}

class ImatrixTest : public testing::Test {
 protected:
  // Returns "" or the reason.
  std::string Open(const std::vector<uint8_t>& bytes) {
    const std::string path = folder_.path() + "/matrix" + std::to_string(++n_);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    imatrix_.emplace();
    const Status status = imatrix_->Open(memory_, path.c_str());
    return status.message();
  }

  std::vector<float> Read(const std::string& name, uint64_t cols, uint64_t matrices) {
    Array<float> values;
    const Status status = imatrix_->Read(name, cols, matrices, &values);
    reason_ = status.message();
    return {values.data(), values.data() + values.size()};
  }

  Memory memory_;
  clamma_test::TemporaryFolder folder_;
  int n_ = 0;
  std::optional<Imatrix> imatrix_;
  std::string reason_;
};

TEST_F(ImatrixTest, GgufFilesGiveMeanSquares) {
  ASSERT_EQ(Open(Matrix({2, 4, 6, 8, 10, 12}, {2, 0}).Build()), "");
  EXPECT_EQ(imatrix_->entries(), 1u);
  // The columns of an expert that was never used all have the same weight.
  EXPECT_EQ(Read("a.weight", 3, 2), (std::vector<float>{1, 2, 3, 1, 1, 1}));
  EXPECT_EQ(Read("b.weight", 3, 2), std::vector<float>());
  EXPECT_EQ(reason_, "");
}

TEST_F(ImatrixTest, DatFilesGiveTheirValues) {
  ASSERT_EQ(Open(Dat({{"a.weight", {1, 2, 3}}, {"b.weight", {4, 5}}})), "");
  EXPECT_EQ(imatrix_->entries(), 2u);
  EXPECT_EQ(Read("b.weight", 2, 1), (std::vector<float>{4, 5}));
  EXPECT_EQ(Read("a.weight", 3, 2), (std::vector<float>{1, 2, 3, 1, 2, 3}));
}

TEST_F(ImatrixTest, ThoseOfAnotherModelAreRefused) {
  ASSERT_EQ(Open(Matrix({2, 4, 6, 8}, {2}).Build()), "");
  Read("a.weight", 3, 1);
  EXPECT_NE(reason_.find("another model"), std::string::npos) << reason_;
  ASSERT_EQ(Open(Dat({{"a.weight", {1, 2, 3}}})), "");
  Read("a.weight", 2, 1);
  EXPECT_NE(reason_.find("another model"), std::string::npos) << reason_;
}

TEST_F(ImatrixTest, BadNumbersAreRefused) {
  for (const float bad : {-1.0f, std::nanf(""), HUGE_VALF}) {
    ASSERT_EQ(Open(Matrix({2, bad, 6}, {2}).Build()), "");
    Read("a.weight", 3, 1);
    EXPECT_NE(reason_.find("a.weight"), std::string::npos) << bad;
    ASSERT_EQ(Open(Dat({{"a.weight", {1, bad, 3}}})), "");
    Read("a.weight", 3, 1);
    EXPECT_NE(reason_.find("a.weight"), std::string::npos) << bad;
  }
}

TEST_F(ImatrixTest, WhatIsCutShortIsRefused) {
  const std::vector<uint8_t> whole = Dat({{"a.weight", {1, 2, 3}}, {"b.weight", {4, 5}}});
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_NE(Open({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)}), "")
        << n << " bytes";
  }
}

TEST_F(ImatrixTest, OtherFilesAreRefused) {
  GgufBytes model;
  model.Add("general.type", "model");
  EXPECT_NE(Open(model.Build()).find("not an importance matrix"), std::string::npos);
  GgufBytes nothing;
  nothing.Add("general.type", "imatrix");
  EXPECT_NE(Open(nothing.Build()), "");
  const std::string text = "This is some text, and no matrix.";
  EXPECT_NE(Open({text.begin(), text.end()}), "");
  std::vector<uint8_t> huge = Dat({{"a.weight", {1}}});
  huge[3] = 0x7f;  // entries
  EXPECT_NE(Open(huge), "");
}

}  // namespace
}  // namespace clamma
