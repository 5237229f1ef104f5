// SPDX-License-Identifier: MIT
// Calls that once failed badly. Each is a mistake that a user may make, and must lead to an error.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "api_fixture.h"
#include "platform/threads.h"

namespace clamma_test {
namespace {

class HostileTest : public ModelTest {};

TEST_F(HostileTest, SizesBeyondMemoryAreRefused) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  for (const size_t size : {SIZE_MAX, SIZE_MAX - 1, size_t{1} << 62}) {
    for (const unsigned flags :
         {0u, CLAMMA_ENCODE_DUMMY_PREFIX, CLAMMA_ENCODE_BOS, CLAMMA_ENCODE_CONTROL}) {
      size_t count = 0;
      EXPECT_NE(clamma_encode(model.get(), "Hello", size, flags, nullptr, 0, &count), 0) << size;
    }
    clamma_score_t score = {};
    EXPECT_NE(clamma_score(model.get(), "Hello", size, &score, nullptr, 0), 0) << size;
  }
}

TEST_F(HostileTest, APromptThatCannotFitIsRefusedBeforeItIsEncoded) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const SessionPtr session = NewSession(model);
  const std::string prompt(64 << 20, 'a');
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.prompt = prompt.c_str()});
  char desc[200] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  EXPECT_NE(clamma_session_query(session.get(), &info), 0);
  EXPECT_NE(std::string(desc).find("512"), std::string::npos) << desc;
}

TEST_F(HostileTest, UnknownEncodeFlagsAreRefused) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  size_t count = 0;
  EXPECT_NE(clamma_encode(model.get(), "a", 1, 64, nullptr, 0, &count), 0);
}

TEST_F(HostileTest, MissingArgumentsAreToldToTheLogOfWhatIsThere) {
  LogCollector log;
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model = Open(info);
  const SessionPtr session = NewSession(model);
  EXPECT_NE(clamma_session_query(session.get(), nullptr), 0);
  EXPECT_EQ(log.lines.size(), 1u);
  EXPECT_NE(clamma_encode(model.get(), "a", 1, 0, nullptr, 0, nullptr), 0);
  EXPECT_EQ(log.lines.size(), 2u);
}

TEST_F(HostileTest, ReasonsAreOneLineWhateverAPathHolds) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.checkpoint_path = "no\nsuch\tfile\x1b";
  const std::string reason = ReasonOfRefusal(info);
  EXPECT_EQ(reason.find_first_of("\n\t\x1b"), std::string::npos) << reason;
}

TEST_F(HostileTest, TheSpaceBehindBosIsDroppedAcrossEmptyTokens) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  tok_id_t word = 0;
  size_t count = 0;
  ASSERT_EQ(clamma_encode(model.get(), " t", 2, 0, &word, 1, &count), 0);
  ASSERT_EQ(count, 1u);
  for (const std::vector<tok_id_t>& tokens :
       {std::vector<tok_id_t>{TOK_BOS, word}, std::vector<tok_id_t>{TOK_BOS, 0, word}}) {
    char text[8] = "";
    size_t size = 0;
    ASSERT_EQ(clamma_decode(model.get(), tokens.data(), tokens.size(), text, sizeof(text), &size),
              0);
    EXPECT_EQ(std::string(text, size), "t");
  }
}

TEST_F(HostileTest, MappedFilesHoldNoDescriptors) {
  const int before = dup(0);
  ASSERT_GE(before, 0);
  close(before);
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const int after = dup(0);
  close(after);
  EXPECT_EQ(after, before);
}

TEST_F(HostileTest, AForkedChildMayDestroyWhatItsParentConstructed) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.threads = 4;
  txf* model = clamma_txf_construct(&info);
  ASSERT_NE(model, nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    clamma_txf_destroy(model);
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  clamma_txf_destroy(model);
}

TEST_F(HostileTest, TheCacheLimitThatIsAskedForSuffices) {
  for (const char* checkpoint : {kFloatModel, kQ80Model, kStraddlingModel}) {
    clamma_txf_info_t info = ModelInfo(checkpoint);
    info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
    info.cache_limit = SmallestCacheLimit(checkpoint);
    EXPECT_NE(Open(info), nullptr) << checkpoint;
  }
}

}  // namespace
}  // namespace clamma_test
