// SPDX-License-Identifier: MIT
// The memory that the headers of a GGUF model's files take: less than 64 MB, whatever they contain.
#include "model/model_files.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gguf_bytes.h"
#include "gguf_fixture.h"
#include "platform/arena.h"
#include "platform/memory.h"
#include "temporary_folder.h"

namespace clamma {
namespace {

using clamma_test::ExpectReason;
using clamma_test::GgufBytes;

constexpr size_t kBound = 64'000'000;

// Opens a file that is read, not mapped, in an arena of kBound bytes.
Status OpenWithinBound(const std::string& path) {
  const auto place = std::make_unique<uint8_t[]>(kBound);
  Memory memory(Arena::Make(place.get(), kBound));
  ModelFiles files;
  return files.Open(memory, path.c_str(), "", /*map=*/false);
}

GgufBytes WithArray(uint64_t n_texts) {
  return GgufBytes().AddRawArray("texts", clamma_test::kGgufString, n_texts,
                                 std::vector<uint8_t>(8 * n_texts));
}

TEST(ModelFiles, KeepOfALongHeaderNoMoreThanTheBound) {
  const clamma_test::TemporaryFolder folder;
  // Needs many bytes and then a few more, for which no buffer may be doubled.
  GgufBytes file = WithArray(uint64_t{7'000'000}).Add("last", uint8_t{1}).AddData(20'000'000);
  EXPECT_TRUE(OpenWithinBound(folder.Write("long.gguf", file.Build())).ok());
  file = WithArray(uint64_t{7'400'000}).AddData(20'000'000);
  const Status status = OpenWithinBound(folder.Write("longer.gguf", file.Build()));
  ExpectReason(status, {"longer.gguf", "key \"texts\"", "58720256"});
  EXPECT_EQ(status.code(), StatusCode::kLimit);
}

TEST(ModelFiles, KeepOfManyNamesNoMoreThanTheBound) {
  const clamma_test::TemporaryFolder folder;
  GgufBytes file = WithArray(uint64_t{6'000'000});
  for (uint32_t i = 0; i < GgufLimits::kKeys - 1; ++i) file.Add(std::to_string(i), uint8_t{1});
  // In reverse order of their places, which must therefore be sorted.
  for (uint64_t i = GgufLimits::kTensors; i-- > 0;) {
    file.AddTensorAt(std::to_string(i), clamma_test::kF32, {1}, 32 * i);
  }
  file.AddData(size_t{32} * GgufLimits::kTensors);
  const Status status = OpenWithinBound(folder.Write("names.gguf", file.Build()));
  EXPECT_TRUE(status.ok()) << status.message();
}

class SplitModelFiles : public testing::Test {
 protected:
  // Files with equal headers, `count` of them.
  void Write(uint16_t count, const GgufBytes& each) {
    for (uint16_t i = 0; i < count; ++i) {
      GgufBytes file = each;
      file.Add("split.no", i).Add("split.count", count).Add("split.tensors.count", uint32_t{count});
      file.AddTensor("t" + std::to_string(i), clamma_test::kF32, {1});
      folder_.Write(Name(i, count), file.Build());
    }
  }
  static std::string Name(uint16_t i, uint16_t count) {
    return "m-0000" + std::to_string(i + 1) + "-of-0000" + std::to_string(count) + ".gguf";
  }

  // Opens the set by its first file.
  Status Open(uint16_t count, bool map, size_t* bytes_in_use) {
    Memory memory;
    ModelFiles files;
    const Status status = files.Open(memory, folder_.path(Name(0, count)).c_str(), "", map);
    *bytes_in_use = memory.bytes_in_use();
    return status;
  }

  clamma_test::TemporaryFolder folder_;
};

TEST_F(SplitModelFiles, KeepOfAllHeadersTogetherNoMoreThanTheBound) {
  size_t bytes = 0;
  Write(2, WithArray(uint64_t{3'400'000}));
  EXPECT_TRUE(Open(2, false, &bytes).ok());
  EXPECT_LT(bytes, kBound);
  Write(3, WithArray(uint64_t{3'400'000}));
  for (const bool map : {false, true}) {
    ExpectReason(Open(3, map, &bytes), {Name(2, 3), "key \"texts\"", "58720256 bytes in all"});
    EXPECT_LT(bytes, kBound);
  }
}

TEST_F(SplitModelFiles, KeepOfAllNamesTogetherNoMoreThanTheBound) {
  size_t bytes = 0;
  GgufBytes many;
  for (int i = 0; i < 30000; ++i) many.Add(std::to_string(i), uint8_t{1});
  Write(3, many);
  ExpectReason(Open(3, true, &bytes), {Name(2, 3), "30003 keys", "at most 5530"});
}

TEST_F(SplitModelFiles, MayBeAsManyAsTheirHeadersLeaveRoomFor) {
  Write(9, GgufBytes());
  size_t bytes = 0;
  for (const bool map : {false, true}) {
    const Status status = Open(9, map, &bytes);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_LT(bytes, size_t{1} << 20);
  }
}

}  // namespace
}  // namespace clamma
