// SPDX-License-Identifier: MIT
// Checkpoints inside another file, through the API.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "api_fixture.h"
#include "temporary_folder.h"

namespace {

using clamma_test::Ask;
using clamma_test::Listener;
using clamma_test::NewSession;
using clamma_test::TxfPtr;

class CheckpointPart : public testing::TestWithParam<clamma_model_access_t> {
 protected:
  void SetUp() override {
    CLAMMA_NEED_FILE(clamma_test::ModelPath(clamma_test::kFloatModel));
    const std::vector<uint8_t> model =
        clamma_test::ReadBytes(clamma_test::ModelPath(clamma_test::kFloatModel));
    part_.offset = 4099;
    part_.length = model.size();
    std::string archive(part_.offset, 'x');
    archive.append(model.begin(), model.end());
    archive += "and what stands behind it";
    part_.descriptor = open(folder_.Write("archive", archive).c_str(), O_RDONLY);
    ASSERT_GE(part_.descriptor, 0);
    dictionary_ = clamma_test::ModelPath(clamma_test::kDictionary);
    info_.clamma_api_version = CLAMMA_API_VERSION;
    info_.tokenizer_path = dictionary_.c_str();
    info_.model_access = GetParam();
    info_.log_cb = clamma_log_silent;
    info_.desc = desc_;
    info_.desc_max = sizeof(desc_);
  }
  void TearDown() override {
    if (part_.descriptor >= 0) close(part_.descriptor);
  }

  static std::string Generate(const TxfPtr& model) {
    Listener listener;
    const auto session = NewSession(model);
    const clamma_txf_info_t query =
        clamma_test::QueryInfo(listener, {.prompt = "Once upon a time", .limit = 60});
    EXPECT_EQ(clamma_session_query(session.get(), &query), 0);
    while (clamma_sessions_step_next() != 0) {
    }
    return listener.text;
  }

  clamma_test::TemporaryFolder folder_;
  clamma_file_part_t part_ = {-1, 0, 0};
  std::string dictionary_;
  clamma_txf_info_t info_ = {};
  char desc_[512] = {};
};
INSTANTIATE_TEST_SUITE_P(Access, CheckpointPart,
                         testing::Values(CLAMMA_MODEL_ACCESS_MMAP,
                                         CLAMMA_MODEL_ACCESS_MALLOC_CACHE));

TEST_P(CheckpointPart, GivesTheTextOfTheFile) {
  info_.checkpoint_part = &part_;
  const TxfPtr from_part(clamma_txf_construct(&info_));
  ASSERT_NE(from_part, nullptr) << desc_;
  close(part_.descriptor);  // no longer needed
  part_.descriptor = -1;
  const std::string path = clamma_test::ModelPath(clamma_test::kFloatModel);
  info_.checkpoint_part = nullptr;
  info_.checkpoint_path = path.c_str();
  const TxfPtr from_file(clamma_txf_construct(&info_));
  ASSERT_NE(from_file, nullptr) << desc_;
  const std::string text = Generate(from_part);
  EXPECT_GT(text.size(), 100u);
  EXPECT_EQ(text, Generate(from_file));
}

TEST_P(CheckpointPart, ThatIsNoneIsRefusedWithAReason) {
  info_.checkpoint_part = &part_;
  --part_.offset;
  EXPECT_EQ(clamma_txf_construct(&info_), nullptr);
  EXPECT_NE(std::string(desc_).find("the descriptor: "), std::string::npos) << desc_;
  part_.length = UINT64_MAX;
  EXPECT_EQ(clamma_txf_construct(&info_), nullptr);
  EXPECT_NE(std::string(desc_).find("are asked for"), std::string::npos) << desc_;
}

TEST_P(CheckpointPart, ExcludesAnAddress) {
  info_.checkpoint_part = &part_;
  info_.model_access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS;
  EXPECT_EQ(clamma_txf_construct(&info_), nullptr);
  EXPECT_NE(std::string(desc_).find("exclude each other"), std::string::npos) << desc_;
}

}  // namespace
