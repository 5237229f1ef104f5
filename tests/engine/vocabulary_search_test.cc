// SPDX-License-Identifier: MIT
#include "engine/vocabulary_search.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "api_fixture.h"
#include "temporary_folder.h"
#include "tokenizer/llama2c_vocabulary.h"

namespace clamma {
namespace {

namespace fs = std::filesystem;
using clamma_test::kDictionary;
using clamma_test::kFloatModel;
using clamma_test::ModelPath;
using clamma_test::ReadBytes;

// Returns a vocabulary with this number of tokens, whose lengths increase.
std::vector<uint8_t> VocabularyOf(uint32_t tokens) {
  std::vector<uint8_t> bytes(4);
  for (uint32_t i = 0; i < tokens; ++i) {
    const size_t at = bytes.size();
    bytes.resize(at + 8 + i % 300, 'x');
    for (size_t k = 0; k < 4; ++k) {
      bytes[at + k] = 0;
      bytes[at + 4 + k] = static_cast<uint8_t>(i % 300 >> 8 * k);
    }
  }
  return bytes;
}

// Works in a folder of its own, with others beside it.
class VocabularySearchTest : public testing::Test {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    for (const char* name : {"here", "beside", "asked", "models"}) {
      fs::create_directory(folder_.path(name));
    }
    fs::current_path(folder_.path("here"));
    setenv("CLAMMA_MODEL_DIR", folder_.path("asked").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("CLAMMA_MODEL_DIR");
    fs::current_path(before_);
  }

  // Returns the path that is found, relative to the folder of the test, or the error.
  std::string Find(const char* checkpoint, File::Place place, uint32_t tokens = 7) {
    const std::string models = folder_.path("models");
    File file;
    char path[kMaxPathBytes];
    const Status status = OpenVocabulary({.checkpoint_path = checkpoint,
                                          .checkpoint_place = place,
                                          .model_dir = models.c_str(),
                                          .vocab_size = tokens},
                                         &file, path);
    EXPECT_EQ(status.ok(), file.is_open());
    if (!status.ok()) return status.message();
    EXPECT_EQ(CountLlama2cTokens(file), tokens);
    return fs::relative(path, folder_.path());
  }

  // Writes all of `files`, and expects each to be found when those before it are unusable.
  void ExpectOrder(const char* checkpoint, File::Place place,
                   const std::vector<std::string>& files) {
    for (const std::string& file : files) folder_.Write(file, VocabularyOf(7));
    for (const std::string& file : files) {
      EXPECT_EQ(Find(checkpoint, place), file);
      // A vocabulary of another model is skipped, and so are a damaged one and a folder.
      folder_.Write(file, VocabularyOf(8));
      EXPECT_NE(Find(checkpoint, place), file);
      folder_.Write(file, "no vocabulary");
      EXPECT_NE(Find(checkpoint, place), file);
      fs::remove(folder_.path(file));
      fs::create_directory(folder_.path(file));
      EXPECT_NE(Find(checkpoint, place), file);
      fs::remove(folder_.path(file));
    }
  }

  clamma_test::TemporaryFolder folder_;
  fs::path before_;
};

TEST_F(VocabularySearchTest, LooksBesideTheCheckpointFirst) {
  const std::string checkpoint = folder_.path("beside/my.model.bin");
  ExpectOrder(checkpoint.c_str(), File::Place::kAsNamed,
              {"beside/my.model.tokenizer.bin", "beside/tokenizer.bin", "here/tokenizer.bin",
               "asked/tokenizer.bin", "models/tokenizer.bin"});
  ExpectOrder("../beside/m", File::Place::kAsNamed,
              {"beside/m.tokenizer.bin", "beside/tokenizer.bin", "here/tokenizer.bin"});
  ExpectOrder("m.bin", File::Place::kAsNamed,
              {"here/m.tokenizer.bin", "here/tokenizer.bin", "asked/tokenizer.bin"});
}

TEST_F(VocabularySearchTest, BesideIsWhereTheCheckpointWasFound) {
  folder_.Write("here/m.tokenizer.bin", VocabularyOf(7));
  ExpectOrder("m.bin", File::Place::kEnvironmentFolder,
              {"asked/m.tokenizer.bin", "asked/tokenizer.bin", "here/tokenizer.bin",
               "models/tokenizer.bin"});
  fs::create_directory(folder_.path("models/sub"));
  ExpectOrder("sub/m.bin", File::Place::kModelFolder,
              {"models/sub/m.tokenizer.bin", "models/sub/tokenizer.bin", "here/tokenizer.bin",
               "asked/tokenizer.bin", "models/tokenizer.bin"});
}

TEST_F(VocabularySearchTest, ACheckpointWithoutAFileHasNothingBesideIt) {
  ExpectOrder(nullptr, File::Place::kAsNamed,
              {"here/tokenizer.bin", "asked/tokenizer.bin", "models/tokenizer.bin"});
}

TEST_F(VocabularySearchTest, TheReasonSaysWhatWasFound) {
  const std::string models = folder_.path("models");
  EXPECT_EQ(Find("m.bin", File::Place::kAsNamed),
            "no vocabulary of 7 tokens: NAME.tokenizer.bin or tokenizer.bin is looked for beside "
            "the checkpoint, here, in " +
                folder_.path("asked") + " and in " + models);
  unsetenv("CLAMMA_MODEL_DIR");
  folder_.Write("here/tokenizer.bin", VocabularyOf(9));
  folder_.Write("models/tokenizer.bin", VocabularyOf(10));
  EXPECT_EQ(Find(nullptr, File::Place::kAsNamed),
            "no vocabulary of 7 tokens: tokenizer.bin is looked for here and in " + models +
                "; tokenizer.bin has 9 tokens");
  folder_.Write("here/m.tokenizer.bin", "no vocabulary");
  EXPECT_NE(Find("m.bin", File::Place::kAsNamed).find("; m.tokenizer.bin is no vocabulary"),
            std::string::npos);
}

TEST_F(VocabularySearchTest, APathTooLongIsPassedOver) {
  folder_.Write("here/tokenizer.bin", VocabularyOf(7));
  EXPECT_EQ(Find(std::string(kMaxPathBytes, 'a').c_str(), File::Place::kAsNamed),
            "here/tokenizer.bin");
}

TEST_F(VocabularySearchTest, TransformersFindTheirVocabulary) {
  CLAMMA_NEED_FILE(ModelPath(kFloatModel));
  CLAMMA_NEED_FILE(ModelPath(kDictionary));
  fs::copy_file(ModelPath(kFloatModel), folder_.path("asked/mine.bin"));
  fs::copy_file(ModelPath(kDictionary), folder_.path("asked/mine.tokenizer.bin"));
  folder_.Write("here/tokenizer.bin", VocabularyOf(32000));
  const clamma_test::Ask ask = {.prompt = "Once upon a time", .limit = 20};
  const std::string expected =
      clamma_test::RunFresh(clamma_test::Open(clamma_test::ModelInfo(kFloatModel)), ask).text;
  ASSERT_NE(expected, "");
  for (const clamma_model_access_t access :
       {CLAMMA_MODEL_ACCESS_MMAP, CLAMMA_MODEL_ACCESS_MALLOC_CACHE}) {
    for (const bool in_arena : {false, true}) {
      clamma_txf_info_t info = clamma_test::ModelInfo(kFloatModel);
      info.checkpoint_path = "mine.bin";  // it is in the folder that the environment names
      info.tokenizer_path = nullptr;
      info.model_access = access;
      std::vector<uint8_t> arena(in_arena ? 16u << 20 : 0);
      info.arena = in_arena ? arena.data() : nullptr;
      info.arena_size = arena.size();
      EXPECT_EQ(clamma_test::RunFresh(clamma_test::Open(info), ask).text, expected);
    }
  }
  unsetenv("CLAMMA_MODEL_DIR");
  clamma_txf_info_t info = clamma_test::ModelInfo(kFloatModel);
  info.checkpoint_path = "mine.bin";
  info.tokenizer_path = nullptr;
  EXPECT_NE(clamma_test::ReasonOfRefusal(info).find("mine.bin"), std::string::npos);
  // A model at an address has no folder.
  const std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatModel));
  info.model_access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS;
  info.model_base = const_cast<uint8_t*>(bytes.data());
  info.model_size = bytes.size();
  EXPECT_NE(clamma_test::ReasonOfRefusal(info).find("tokenizer.bin has 32000 tokens"),
            std::string::npos);
}

}  // namespace
}  // namespace clamma
