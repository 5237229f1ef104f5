// SPDX-License-Identifier: MIT
#include "platform/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "temporary_folder.h"

namespace clamma {
namespace {

namespace fs = std::filesystem;

// Works in a folder of its own, with a model folder beside it.
class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    fs::create_directory(folder_.path("here"));
    fs::create_directory(folder_.path("models"));
    fs::current_path(folder_.path("here"));
    models_ = folder_.path("models");
    alarm(60);  // if Open() hangs, the test must fail
  }
  void TearDown() override {
    alarm(0);
    fs::current_path(before_);
  }

  static std::string Contents(const File& file) {
    std::string text(static_cast<size_t>(file.size()), '\0');
    const Status status = file.Read(0, text.data(), text.size());
    EXPECT_TRUE(status.ok()) << status.message();
    return text;
  }
  static testing::AssertionResult Mentions(const Status& status, const std::string& text) {
    if (std::strstr(status.message(), text.c_str()) != nullptr) return testing::AssertionSuccess();
    return testing::AssertionFailure() << '"' << status.message() << "\" without " << text;
  }

  clamma_test::TemporaryFolder folder_;
  std::string models_;
  fs::path before_;
};

TEST_F(FileTest, StartsClosed) {
  const File file;
  EXPECT_FALSE(file.is_open());
  EXPECT_EQ(file.size(), 0u);
}

TEST_F(FileTest, OpensAnAbsolutePath) {
  const std::string path = folder_.Write("a.bin", "contents");
  File file;
  ASSERT_TRUE(file.Open(path.c_str(), models_.c_str()).ok());
  EXPECT_TRUE(file.is_open());
  EXPECT_EQ(file.size(), 8u);
  EXPECT_EQ(Contents(file), "contents");
}

TEST_F(FileTest, LooksInTheWorkingDirectoryFirst) {
  folder_.Write("here/a.bin", "from here");
  folder_.Write("models/a.bin", "from the model folder");
  File file;
  ASSERT_TRUE(file.Open("a.bin", models_.c_str()).ok());
  EXPECT_EQ(Contents(file), "from here");
}

TEST_F(FileTest, LooksInTheModelFolderNext) {
  folder_.Write("models/a.bin", "from the model folder");
  fs::create_directory(folder_.path("models/sub"));
  folder_.Write("models/sub/b.bin", "from below");
  File file;
  ASSERT_TRUE(file.Open("a.bin", models_.c_str()).ok());
  EXPECT_EQ(Contents(file), "from the model folder");
  ASSERT_TRUE(file.Open("sub/b.bin", models_.c_str()).ok());
  EXPECT_EQ(Contents(file), "from below");
}

TEST_F(FileTest, TheFolderOfTheEnvironmentComesBeforeTheModelFolder) {
  fs::create_directory(folder_.path("asked"));
  const std::string asked = folder_.path("asked");
  folder_.Write("here/a.bin", "from here");
  folder_.Write("asked/a.bin", "asked for");
  folder_.Write("models/a.bin", "from the model folder");
  setenv("CLAMMA_MODEL_DIR", asked.c_str(), 1);
  File file;
  const struct {
    File::Place place;
    const char* contents;
    const char* path;
  } places[] = {{File::Place::kAsNamed, "from here", "here/a.bin"},
                {File::Place::kEnvironmentFolder, "asked for", "asked/a.bin"},
                {File::Place::kModelFolder, "from the model folder", "models/a.bin"}};
  for (const auto& expected : places) {
    ASSERT_TRUE(file.Open("a.bin", models_.c_str()).ok());
    EXPECT_EQ(Contents(file), expected.contents);
    EXPECT_EQ(file.place(), expected.place);
    fs::remove(folder_.path(expected.path));
  }
  const Status status = file.Open("a.bin", models_.c_str());
  EXPECT_TRUE(Mentions(status, ", neither here nor in " + asked + " or " + models_));
  // Without a model folder, no other folder is searched. An empty variable counts as none.
  folder_.Write("asked/a.bin", "asked for");
  EXPECT_FALSE(file.Open("a.bin", "").ok());
  setenv("CLAMMA_MODEL_DIR", "", 1);
  EXPECT_TRUE(Mentions(file.Open("a.bin", models_.c_str()), ", neither here nor in " + models_));
  unsetenv("CLAMMA_MODEL_DIR");
  EXPECT_FALSE(file.Open("a.bin", models_.c_str()).ok());
}

TEST_F(FileTest, NotFoundNamesBothPlaces) {
  File file;
  const Status status = file.Open("nowhere.bin", models_.c_str());
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(Mentions(status, "nowhere.bin"));
  EXPECT_TRUE(Mentions(status, models_));
  EXPECT_FALSE(file.is_open());
}

TEST_F(FileTest, AnAbsolutePathIsNotSearchedFor) {
  folder_.Write("models/a.bin", "x");
  File file;
  const Status status = file.Open("/a.bin", models_.c_str());
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(Mentions(status, "/a.bin"));
  EXPECT_FALSE(Mentions(status, models_));
}

TEST_F(FileTest, AnEmptyPathIsRefused) {
  File file;
  EXPECT_FALSE(file.Open("", models_.c_str()).ok());
  EXPECT_FALSE(file.is_open());
}

TEST_F(FileTest, APathTooLongIsRefused) {
  File file;
  const std::string path(100000, 'a');
  EXPECT_EQ(file.Open(path.c_str(), models_.c_str()).code(), StatusCode::kIo);
  // Short enough by itself, but not with the model folder before it.
  std::string nested;
  while (nested.size() < 4000) nested += "aaaaaaa/";
  nested += "b";
  const Status status = file.Open(nested.c_str(), std::string(1000, 'm').c_str());
  EXPECT_FALSE(status.ok());
  EXPECT_STRNE(status.message(), "");
}

TEST_F(FileTest, ADirectoryIsRefused) {
  File file;
  for (const char* path : {".", "/", models_.c_str()}) {
    const Status status = file.Open(path, models_.c_str());
    EXPECT_EQ(status.code(), StatusCode::kIo) << path;
    EXPECT_TRUE(Mentions(status, path));
    EXPECT_FALSE(file.is_open());
  }
  fs::create_directory(folder_.path("models/sub"));
  EXPECT_EQ(file.Open("sub", models_.c_str()).code(), StatusCode::kIo);
}

TEST_F(FileTest, AFifoIsRefusedWithoutWaitingForAWriter) {
  ASSERT_EQ(mkfifo("fifo", 0600), 0);
  File file;
  const Status status = file.Open("fifo", models_.c_str());
  EXPECT_EQ(status.code(), StatusCode::kIo);
  EXPECT_TRUE(Mentions(status, "not a regular file"));
  EXPECT_FALSE(file.is_open());
}

TEST_F(FileTest, ADeviceIsRefused) {
  File file;
  EXPECT_EQ(file.Open("/dev/null", models_.c_str()).code(), StatusCode::kIo);
  EXPECT_FALSE(file.is_open());
}

TEST_F(FileTest, FollowsASymbolicLink) {
  folder_.Write("models/a.bin", "linked to");
  fs::create_symlink(folder_.path("models/a.bin"), "link");
  fs::create_symlink(folder_.path("models/missing"), "dangling");
  File file;
  ASSERT_TRUE(file.Open("link", models_.c_str()).ok());
  EXPECT_EQ(Contents(file), "linked to");
  EXPECT_EQ(file.Open("dangling", models_.c_str()).code(), StatusCode::kNotFound);
}

TEST_F(FileTest, ReadsTheExactBytes) {
  std::vector<uint8_t> bytes(100003);
  uint32_t state = 1;
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((state = state * 1664525u + 1) >> 24);
  File file;
  ASSERT_TRUE(file.Open(folder_.Write("b", bytes).c_str(), models_.c_str()).ok());
  for (const size_t offset : {0u, 1u, 4095u, 4096u, 65537u, 100002u, 100003u}) {
    for (const size_t n : {0u, 1u, 2u, 4096u, 34466u}) {
      if (offset + n > bytes.size()) continue;
      std::vector<uint8_t> read(n + 1, 0xaa);
      ASSERT_TRUE(file.Read(offset, read.data(), n).ok()) << offset << " + " << n;
      EXPECT_EQ(read.back(), 0xaa);
      read.pop_back();
      EXPECT_EQ(read, std::vector<uint8_t>(bytes.begin() + static_cast<ptrdiff_t>(offset),
                                           bytes.begin() + static_cast<ptrdiff_t>(offset + n)))
          << offset << " + " << n;
    }
  }
}

TEST_F(FileTest, ReadingPastTheEndIsRefused) {
  File file;
  ASSERT_TRUE(file.Open(folder_.Write("b", "0123456789").c_str(), models_.c_str()).ok());
  char buffer[64];
  EXPECT_TRUE(file.Read(10, buffer, 0).ok());
  EXPECT_TRUE(file.Read(9, buffer, 1).ok());
  EXPECT_EQ(buffer[0], '9');
  for (const uint64_t offset : {uint64_t{0}, uint64_t{9}, uint64_t{10}, uint64_t{1} << 40,
                                uint64_t{INT64_MAX}, uint64_t{1} << 63, UINT64_MAX}) {
    const Status status = file.Read(offset, buffer, 11);
    EXPECT_EQ(status.code(), StatusCode::kIo) << offset;
    EXPECT_STRNE(status.message(), "") << offset;
  }
}

TEST_F(FileTest, AFileCutShortWhileOpenIsNoticed) {
  const std::string path = folder_.Write("b", "0123456789");
  File file;
  ASSERT_TRUE(file.Open(path.c_str(), models_.c_str()).ok());
  fs::resize_file(path, 5);
  char buffer[10];
  EXPECT_TRUE(file.Read(0, buffer, 5).ok());
  EXPECT_EQ(file.Read(0, buffer, 10).code(), StatusCode::kIo);
}

TEST_F(FileTest, MapsTheExactBytes) {
  const std::string text(10000, 'm');
  File file;
  ASSERT_TRUE(file.Open(folder_.Write("m", text).c_str(), models_.c_str()).ok());
  const uint8_t* data = nullptr;
  ASSERT_TRUE(file.Map(&data).ok());
  EXPECT_EQ(std::memcmp(data, text.data(), text.size()), 0);
  const uint8_t* again = nullptr;
  ASSERT_TRUE(file.Map(&again).ok());
  EXPECT_EQ(again, data);
}

TEST_F(FileTest, AnEmptyFileOpensAndIsNotMapped) {
  File file;
  ASSERT_TRUE(file.Open(folder_.Write("empty", "").c_str(), models_.c_str()).ok());
  EXPECT_EQ(file.size(), 0u);
  const uint8_t* data = nullptr;
  const Status status = file.Map(&data);
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_TRUE(Mentions(status, "empty"));
  EXPECT_EQ(data, nullptr);
}

TEST_F(FileTest, OpeningAgainClosesTheFirst) {
  File file;
  ASSERT_TRUE(file.Open(folder_.Write("a", "first").c_str(), models_.c_str()).ok());
  const uint8_t* data = nullptr;
  ASSERT_TRUE(file.Map(&data).ok());
  ASSERT_TRUE(file.Open(folder_.Write("b", "the second").c_str(), models_.c_str()).ok());
  EXPECT_EQ(Contents(file), "the second");
  ASSERT_TRUE(file.Map(&data).ok());
  EXPECT_EQ(std::memcmp(data, "the second", 10), 0);
  EXPECT_FALSE(file.Open("missing", models_.c_str()).ok());
  EXPECT_FALSE(file.is_open());
  EXPECT_EQ(file.size(), 0u);
}

size_t OpenDescriptors() {
  size_t n = 0;
  for (int descriptor = 0; descriptor < 256; ++descriptor) {
    struct stat info = {};
    if (fstat(descriptor, &info) == 0) ++n;
  }
  return n;
}

TEST_F(FileTest, LeaksNoDescriptor) {
  const std::string path = folder_.Write("a", "x");
  ASSERT_EQ(mkfifo("fifo", 0600), 0);
  const size_t before = OpenDescriptors();
  for (const char* name : {path.c_str(), "missing", ".", "fifo"}) {
    File file;
    static_cast<void>(file.Open(name, models_.c_str()).ok());
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

// --- A part of an open file ---

class FilePart : public FileTest {
 protected:
  void SetUp() override {
    FileTest::SetUp();
    descriptor_ = open(folder_.Write("archive", "0123456789").c_str(), O_RDONLY);
    ASSERT_GE(descriptor_, 0);
  }
  void TearDown() override {
    if (descriptor_ >= 0) close(descriptor_);
    FileTest::TearDown();
  }

  int descriptor_ = -1;
};

TEST_F(FilePart, IsReadAndMappedAsAFileOfItsOwn) {
  File file;
  ASSERT_TRUE(file.OpenPart(descriptor_, 3, 4).ok());
  EXPECT_EQ(file.size(), 4u);
  EXPECT_EQ(Contents(file), "3456");
  char byte = 0;
  EXPECT_TRUE(file.Read(3, &byte, 1).ok());
  EXPECT_EQ(byte, '6');
  const uint8_t* data = nullptr;
  ASSERT_TRUE(file.Map(&data).ok());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(data), 4), "3456");
}

TEST_F(FilePart, OfNoLengthIsAllThatFollows) {
  File file;
  ASSERT_TRUE(file.OpenPart(descriptor_, 8, 0).ok());
  EXPECT_EQ(Contents(file), "89");
}

TEST_F(FilePart, NeedsTheDescriptorNoMore) {
  File file;
  ASSERT_TRUE(file.OpenPart(descriptor_, 0, 10).ok());
  close(descriptor_);
  descriptor_ = -1;
  EXPECT_EQ(Contents(file), "0123456789");
}

TEST_F(FilePart, EndsWhereItEnds) {
  File file;
  ASSERT_TRUE(file.OpenPart(descriptor_, 3, 4).ok());
  char bytes[2];
  EXPECT_TRUE(Mentions(file.Read(3, bytes, 2), "ends before byte 5"));
  EXPECT_TRUE(Mentions(file.Read(UINT64_MAX, bytes, 2), "ends before"));
}

TEST_F(FilePart, BeyondTheFileIsRefused) {
  File file;
  EXPECT_TRUE(Mentions(file.OpenPart(descriptor_, 11, 0), "0 bytes at byte 11"));
  EXPECT_TRUE(Mentions(file.OpenPart(descriptor_, 8, 3), "the file has 10"));
  EXPECT_TRUE(Mentions(file.OpenPart(descriptor_, 8, UINT64_MAX), "the file has 10"));
  EXPECT_TRUE(Mentions(file.OpenPart(-1, 0, 0), "descriptor -1"));
  EXPECT_FALSE(file.is_open());
}

}  // namespace
}  // namespace clamma
