// SPDX-License-Identifier: MIT
#include "model/files/split.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "gguf_bytes.h"
#include "gguf_fixture.h"

namespace clamma {
namespace {

using clamma_test::ExpectReason;
using clamma_test::GgufBytes;
using clamma_test::ParsedGguf;

// Returns a file of a set, as the usual splitter writes it.
GgufBytes Part(uint16_t index, uint16_t count, int32_t n_tensors,
               const std::vector<std::string>& tensors) {
  GgufBytes file;
  file.Add("split.no", index).Add("split.count", count).Add("split.tensors.count", n_tensors);
  for (const std::string& name : tensors) file.AddTensor(name, clamma_test::kF32, {8});
  return file;
}

Status Check(const std::vector<GgufBytes>& parts) {
  std::deque<ParsedGguf> parsed;
  std::vector<const Gguf*> files;
  for (const GgufBytes& part : parts) {
    const ParsedGguf& gguf = parsed.emplace_back(part);
    EXPECT_TRUE(gguf.status().ok()) << gguf.status().message();
    files.push_back(&*gguf);
  }
  Memory memory;
  const Status status = CheckSplit(memory, files.data(), static_cast<uint32_t>(files.size()));
  EXPECT_EQ(memory.bytes_in_use(), 0u);
  return status;
}

std::string PathOf(const std::string& path, const SplitInfo& info, uint32_t index) {
  std::string out(path.size() + 1, '?');
  const Status status = SplitPath(path, info, index, out.data(), out.size());
  EXPECT_TRUE(status.ok()) << status.message();
  return out.c_str();
}

TEST(Split, InfoIsOfTheFile) {
  SplitInfo info;
  EXPECT_TRUE(ReadSplitInfo(*ParsedGguf(Part(1, 5, 100, {})), &info).ok());
  EXPECT_EQ(info.index, 1u);
  EXPECT_EQ(info.count, 5u);
  EXPECT_EQ(info.n_tensors, 100u);
  for (const GgufBytes& single : {GgufBytes(), Part(0, 0, 0, {}), Part(0, 1, 3, {})}) {
    EXPECT_TRUE(ReadSplitInfo(*ParsedGguf(single), &info).ok());
    EXPECT_EQ(info.index, 0u);
    EXPECT_EQ(info.count, 1u);
  }
}

TEST(Split, InfoThatMakesNoSenseIsRefused) {
  SplitInfo info;
  ExpectReason(ReadSplitInfo(*ParsedGguf(Part(5, 5, 100, {})), &info), {"split.no", "0 to 4"});
  ExpectReason(ReadSplitInfo(*ParsedGguf(Part(0, 2000, 100, {})), &info), {"split.count", "1024"});
  ExpectReason(ReadSplitInfo(*ParsedGguf(Part(0, 2, -1, {})), &info), {"split.tensors.count"});
  ExpectReason(ReadSplitInfo(*ParsedGguf(GgufBytes().Add("split.count", uint16_t{2})), &info),
               {"split.no"});
  ExpectReason(ReadSplitInfo(*ParsedGguf(GgufBytes().Add("split.count", "2")), &info),
               {"split.count"});
}

TEST(Split, PathsOfTheOthersFollowFromAny) {
  for (uint32_t from = 0; from < 12; ++from) {
    const SplitInfo info = {from, 12, 1};
    const std::string number = std::to_string(from + 1);
    const std::string path = "a/b-00001-of-00002.gguf-" + std::string(5 - number.size(), '0') +
                             number + "-of-00012.gguf";
    EXPECT_EQ(PathOf(path, info, 0), "a/b-00001-of-00002.gguf-00001-of-00012.gguf");
    EXPECT_EQ(PathOf(path, info, 11), "a/b-00001-of-00002.gguf-00012-of-00012.gguf");
    EXPECT_EQ(PathOf(path, info, from), path);
  }
  EXPECT_EQ(PathOf("-00001-of-00002.gguf", {0, 2, 1}, 1), "-00002-of-00002.gguf");
  EXPECT_EQ(PathOf("x-01024-of-01024.gguf", {1023, 1024, 1}, 0), "x-00001-of-01024.gguf");
}

TEST(Split, PathsThatSayOtherwiseAreRefused) {
  char out[64];
  for (const char* path :
       {"", "model.gguf", "x-00001-of-00003.gguf", "x-00002-of-00002.gguf", "x-00002-of-00003.GGUF",
        "x-2-of-3.gguf", "x-00002-of-00003.gguf.part", "0002-of-00003.gguf"}) {
    ExpectReason(SplitPath(path, {1, 3, 1}, 0, out, sizeof(out)),
                 {"file 2 of the 3", "-00002-of-00003.gguf", "\"" + std::string(path) + "\""});
  }
  EXPECT_FALSE(SplitPath("x-00002-of-00003.gguf", {1, 3, 1}, 3, out, sizeof(out)).ok());
  EXPECT_FALSE(SplitPath("x-00002-of-00003.gguf", {1, 3, 1}, 0, out, 21).ok());
  EXPECT_TRUE(SplitPath("x-00002-of-00003.gguf", {1, 3, 1}, 0, out, 22).ok());
}

TEST(Split, FilesOfOneSetAreTaken) {
  EXPECT_TRUE(Check({}).ok());
  EXPECT_TRUE(Check({GgufBytes()}).ok());
  EXPECT_TRUE(Check({Part(0, 1, 7, {"a"})}).ok());
  const Status status =
      Check({Part(0, 3, 4, {"a", "b"}), Part(1, 3, 4, {}), Part(2, 3, 4, {"c", "d"})});
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(Split, FilesInTheWrongPlaceAreRefused) {
  ExpectReason(Check({Part(1, 2, 2, {"a"}), Part(0, 2, 2, {"b"})}),
               {"place 1 of 2", "file 2 of 2"});
  ExpectReason(Check({Part(0, 2, 2, {"a"}), Part(1, 3, 2, {"b"})}),
               {"place 2 of 2", "file 2 of 3"});
  ExpectReason(Check({Part(0, 2, 2, {"a"}), GgufBytes()}), {"place 2 of 2", "file 1 of 1"});
}

TEST(Split, FilesOfDifferentModelsAreRefused) {
  ExpectReason(Check({Part(0, 2, 2, {"a"}), Part(1, 2, 3, {"b"})}), {"1 and 2", "2 and 3 tensors"});
}

TEST(Split, TensorsThatAreMissingOrTwiceAreRefused) {
  ExpectReason(Check({Part(0, 2, 4, {"a", "b"}), Part(1, 2, 4, {"c"})}), {"3 tensors", "have 4"});
  ExpectReason(Check({Part(0, 3, 4, {"a", "b"}), Part(1, 3, 4, {"c"}), Part(2, 3, 4, {"b"})}),
               {"\"b\"", "files 1 and 3"});
}

// Searching in each of the other files would take 33 million look-ups.
TEST(Split, ManyTensorsInManyFilesAreComparedInLittleTime) {
  std::vector<GgufBytes> parts;
  for (uint16_t i = 0; i < kMaxSplitFiles; ++i) {
    std::vector<std::string> names;
    for (int j = 0; j < 64; ++j) names.push_back(std::to_string(64 * i + j));
    if (i == kMaxSplitFiles - 1) names[0] = "77";
    parts.push_back(Part(i, kMaxSplitFiles, 64 * kMaxSplitFiles, names));
  }
  const auto begin = std::chrono::steady_clock::now();
  ExpectReason(Check(parts), {"\"77\"", "files 2 and 1024"});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

}  // namespace
}  // namespace clamma
