// SPDX-License-Identifier: MIT
// Which sessions, queries and models are refused, and where the reasons and other messages go.
#include <gtest/gtest.h>

#include <climits>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "session_fixture.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

// ---- Refusals ----

TEST_F(SessionTest, QueryOfABusySessionIsRefusedAndTheRunningOneIsUnaffected) {
  const std::string alone = RunFresh(model_, {.limit = 30}).text;
  SessionPtr session = NewSession(model_);
  Listener listener;
  Listener second;
  void* pointer = session.get();
  const auto refuse = [&] {
    clamma_txf_info_t info = QueryInfo(second, {.prompt = "Other", .limit = 3});
    char desc[128] = "";
    info.desc = desc;
    info.desc_max = sizeof(desc);
    info.null_on_destroy = &pointer;
    EXPECT_NE(clamma_session_query(session.get(), &info), 0);
    EXPECT_STRNE(desc, "");
  };
  listener.on_text = [&] {
    refuse();
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 30}), 0);
  refuse();
  StepAll();
  EXPECT_EQ(listener.text, alone);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
  EXPECT_EQ(second.pieces, 0u);
  EXPECT_FALSE(second.ended());
  session.reset();
  EXPECT_NE(pointer, nullptr) << "a refused query's null_on_destroy is not kept";
}

TEST_F(SessionTest, MaxSessionsIsKept) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.max_sessions = 3;
  LogCollector log;
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model = Open(info);
  std::vector<SessionPtr> sessions;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(NewSession(model));
    EXPECT_NE(sessions.back(), nullptr);
  }
  EXPECT_TRUE(log.lines.empty());
  EXPECT_EQ(NewSession(model), nullptr);
  EXPECT_NE(log.last().find("3"), std::string::npos) << log.last();
  EXPECT_EQ(Facts(model).sessions, 3u);
  EXPECT_EQ(Facts(model).max_sessions, 3u);
  sessions.pop_back();
  EXPECT_EQ(Facts(model).sessions, 2u);
  EXPECT_NE(NewSession(model), nullptr);
  EXPECT_NE(NewSession(model_), nullptr) << "each transformer counts its own";
}

TEST_F(SessionTest, MaxSessionsBeyondTheBuildsIsRefused) {
  const unsigned most = Facts(model_).max_sessions;
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.max_sessions = most;
  EXPECT_NE(Open(info), nullptr);
  for (const unsigned more : {most + 1, UINT_MAX}) {
    info.max_sessions = more;
    EXPECT_NE(ReasonOfRefusal(info).find(std::to_string(most)), std::string::npos) << more;
  }
}

TEST_F(SessionTest, NullArgumentsAreRefused) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(clamma_txf_construct(nullptr), nullptr);
  EXPECT_EQ(clamma_session_construct(nullptr), nullptr);
  clamma_txf_info_t info = {};
  EXPECT_NE(clamma_session_query(nullptr, &info), 0);
  const SessionPtr session = NewSession(model_);
  EXPECT_NE(clamma_session_query(session.get(), nullptr), 0);
  EXPECT_NE(testing::internal::GetCapturedStderr(), "");
}

TEST_F(SessionTest, ApiVersionsThatAreNotKnownAreRefused) {
  for (const unsigned version : {0u, CLAMMA_API_VERSION + 1u, 1000u, UINT_MAX}) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.clamma_api_version = version;
    testing::internal::CaptureStderr();
    const TxfPtr model(clamma_txf_construct(&info));
    testing::internal::GetCapturedStderr();
    EXPECT_EQ(model, nullptr) << "version " << version;
  }
}

// A C program may pass such values, as an enum can contain any integer there.
template <typename Enum>
void PutEnum(Enum* field, int value) {
  static_assert(sizeof(Enum) == sizeof(int));
  std::memcpy(field, &value, sizeof(value));
}

TEST_F(SessionTest, EnumsOutOfRangeAreRefused) {
  for (const int value : {4, 17, -1, INT_MAX, INT_MIN}) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    PutEnum(&info.model_access, value);
    EXPECT_NE(ReasonOfRefusal(info).find("model_access"), std::string::npos) << value;
    info = ModelInfo(kFloatModel);
    PutEnum(&info.model_type, value);
    EXPECT_NE(ReasonOfRefusal(info).find("model_type"), std::string::npos) << value;
    info = ModelInfo(kFloatModel);
    PutEnum(&info.kv_type, value);
    EXPECT_NE(ReasonOfRefusal(info).find("kv_type"), std::string::npos) << value;
  }
}

TEST_F(SessionTest, MissingModelIsRefusedByName) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.checkpoint_path = "/nowhere/there-is-no-such-model.bin";
  EXPECT_NE(ReasonOfRefusal(info).find("there-is-no-such-model.bin"), std::string::npos);
  info.checkpoint_path = "there-is-no-such-model.bin";
  EXPECT_NE(ReasonOfRefusal(info).find("there-is-no-such-model.bin"), std::string::npos);
  info.checkpoint_path = "";
  EXPECT_NE(ReasonOfRefusal(info), "");
  info.checkpoint_path = nullptr;
  EXPECT_NE(ReasonOfRefusal(info), "");
  info = ModelInfo(kFloatModel);
  info.model_access = CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS;
  EXPECT_NE(ReasonOfRefusal(info), "") << "no address";
  info = ModelInfo(kFloatModel);
  info.checkpoint_path = Keep(DataRoot() / "models");
  EXPECT_NE(ReasonOfRefusal(info), "") << "a folder";
}

TEST_F(SessionTest, WrongDictionaryIsRefusedWithAReason) {
  clamma_txf_info_t info = ModelInfo(kFloatModel, "tokenizer.bin");
  CLAMMA_NEED_FILE(info.tokenizer_path);
  EXPECT_NE(ReasonOfRefusal(info).find("tokenizer.bin"), std::string::npos) << "for 32000 tokens";
  info.tokenizer_path = "/nowhere/no-dictionary.bin";
  EXPECT_NE(ReasonOfRefusal(info).find("no-dictionary.bin"), std::string::npos);
  info.tokenizer_path = Keep(ModelPath(kFloatModel));
  EXPECT_NE(ReasonOfRefusal(info), "") << "a checkpoint is no dictionary";
}

TEST_F(SessionTest, DictionaryOfTheWrongSizeIsRefused) {
  const std::vector<uint8_t> whole = ReadBytes(ModelPath(kDictionary));
  std::vector<std::vector<uint8_t>> wrong = {{}, {0}, {0, 0, 0, 0}, whole, whole, whole};
  wrong[3].pop_back();
  wrong[4].push_back(0);
  wrong[5].resize(whole.size() / 2);
  const TemporaryFolder folder;
  for (const std::vector<uint8_t>& bytes : wrong) {
    for (const clamma_model_access_t access :
         {CLAMMA_MODEL_ACCESS_MMAP, CLAMMA_MODEL_ACCESS_MALLOC_CACHE}) {
      clamma_txf_info_t info = ModelInfo(kFloatModel, folder.Write("tokens.bin", bytes));
      info.model_access = access;
      EXPECT_NE(ReasonOfRefusal(info), "") << bytes.size() << " bytes";
    }
    HeapCopy copy(bytes);
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    copy.BecomeDictionary(&info);
    EXPECT_NE(ReasonOfRefusal(info), "") << bytes.size() << " bytes in memory";
  }
}

// ---- Messages ----

TEST_F(SessionTest, DescCarriesTheConfiguration) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  char desc[1024] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  std::strcpy(info.name, "Shell");
  const TxfPtr model = Open(info);
  const std::string text = desc;
  for (const char* word : {"Shell", "64", "172", "512", "float", "1 thread"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word << " in " << text;
  }
}

TEST_F(SessionTest, NameNeedsNoTerminator) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  std::memset(info.name, 'n', sizeof(info.name));
  char desc[1024] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  const TxfPtr model = Open(info);
  EXPECT_EQ(std::string(desc).substr(0, 31), std::string(31, 'n'));
}

TEST_F(SessionTest, ShortDescIsCutAndAlwaysTerminated) {
  const SessionPtr session = NewSession(model_);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{2}, size_t{5}}) {
    const auto check = [&](const char* what, const std::function<void(clamma_txf_info_t*)>& call,
                           clamma_txf_info_t info) {
      char desc[8];
      std::memset(desc, 'x', sizeof(desc));
      info.desc = desc;
      info.desc_max = size;
      call(&info);
      if (size > 0) {
        EXPECT_EQ(desc[size - 1], '\0') << what << ", desc_max " << size;
        EXPECT_EQ(std::strlen(desc), size - 1) << what << ", desc_max " << size;
      }
      for (size_t i = size; i < sizeof(desc); ++i) {
        EXPECT_EQ(desc[i], 'x') << what << ", desc_max " << size << " at " << i;
      }
    };
    const auto construct = [](clamma_txf_info_t* info) {
      const TxfPtr model(clamma_txf_construct(info));
    };
    const auto query = [&](clamma_txf_info_t* info) {
      clamma_session_query(session.get(), info);
      StepAll();
    };
    check("configuration", construct, ModelInfo(kFloatModel));
    check("refused model", construct, ModelInfo("no-such-model.bin"));
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 1, .seed = 1234567});
    check("query", query, info);
    info.temperature = -1;
    check("refused query", query, info);
  }
}

TEST_F(SessionTest, FailuresGoToLogCbAndNowhereElse) {
  clamma_txf_info_t info = ModelInfo("no-such-model.bin");
  LogCollector log;
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  EXPECT_EQ(clamma_txf_construct(&info), nullptr);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_NE(log.last().find("no-such-model.bin"), std::string::npos);
  EXPECT_EQ(log.last().find('\n'), std::string::npos);
}

TEST_F(SessionTest, WithoutLogCbFailuresGoToStderr) {
  clamma_txf_info_t info = ModelInfo("no-such-model.bin");
  info.log_cb = nullptr;
  testing::internal::CaptureStderr();
  EXPECT_EQ(clamma_txf_construct(&info), nullptr);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("no-such-model.bin"), std::string::npos);
}

TEST_F(SessionTest, SilentLogAndASuccessPrintNothing) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  clamma_txf_info_t info = ModelInfo("no-such-model.bin");
  info.log_cb = clamma_log_silent;
  EXPECT_EQ(clamma_txf_construct(&info), nullptr);
  info = ModelInfo(kFloatModel);
  info.log_cb = nullptr;
  const TxfPtr model(clamma_txf_construct(&info));
  const std::string text = RunFresh(model, {.limit = 10}).text;
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_NE(text, "");
}

TEST_F(SessionTest, LogCbOfTheTransformerServesItsSessions) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  LogCollector log;
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model = Open(info);
  const SessionPtr session = NewSession(model);
  Listener listener;
  EXPECT_NE(StartQuery(session.get(), listener, {.temperature = -1}), 0);
  EXPECT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(listener.pieces, 0u);
}

TEST_F(SessionTest, SeedZeroIsReportedAndReproduces) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 40, .temperature = 1, .seed = 0});
  char desc[64] = "";
  info.desc = desc;
  info.desc_max = sizeof(desc);
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  const uint64_t seed = Facts(session.get()).rng_seed;
  EXPECT_NE(seed, 0u);
  EXPECT_EQ(LastNumber(desc), seed) << desc;
  EXPECT_EQ(RunFresh(model_, {.limit = 40, .temperature = 1, .seed = seed}).text, listener.text);
}

TEST_F(SessionTest, SeedsFromTheClockDiffer) {
  std::set<uint64_t> seeds;
  for (int i = 0; i < 20; ++i) {
    seeds.insert(RunFresh(model_, {.limit = 1, .temperature = 1, .seed = 0}).facts.rng_seed);
  }
  EXPECT_EQ(seeds.size(), 20u);
}

TEST_F(SessionTest, GivenSeedIsReported) {
  for (const uint64_t seed : {uint64_t{1}, uint64_t{1024}, UINT64_MAX}) {
    EXPECT_EQ(RunFresh(model_, {.limit = 1, .temperature = 1, .seed = seed}).facts.rng_seed, seed);
  }
}

TEST_F(SessionTest, SameQueryTwiceGivesTheSameText) {
  EXPECT_EQ(RunFresh(model_, WithSeed(4)).text, RunFresh(model_, WithSeed(4)).text);
}

}  // namespace
}  // namespace clamma_test
