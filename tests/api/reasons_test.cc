// SPDX-License-Identifier: MIT
// Where the reasons of failures go: to the caller's desc, and to the log_cb of the transformer, but
// never also to standard error.
#include <gtest/gtest.h>

#include <string>

#include "api_fixture.h"

namespace clamma_test {
namespace {

class Reasons : public ModelTest {
 protected:
  TxfPtr OpenLogged(unsigned max_sessions = 0) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.max_sessions = max_sessions;
    info.log_cb = LogCollector::Log;
    info.opaque_user_pointer = &log_;
    return Open(info);
  }
  LogCollector log_;
};

TEST_F(Reasons, AVersionThatIsNotKnownIsToldInDesc) {
  for (const unsigned version : {0u, CLAMMA_API_VERSION + 1u, ~0u}) {
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    char desc[512] = "untouched";
    info.desc = desc;
    info.desc_max = sizeof(desc);
    info.clamma_api_version = version;
    testing::internal::CaptureStderr();
    EXPECT_EQ(clamma_txf_construct(&info), nullptr);
    const std::string written = testing::internal::GetCapturedStderr();
    EXPECT_EQ(desc, "clamma_api_version is " + std::to_string(version) +
                        ", and this library knows 1 to 1: set it to CLAMMA_API_VERSION");
    EXPECT_NE(written.find(desc), std::string::npos) << written;
  }
}

TEST_F(Reasons, ASessionThatCannotBeConstructedIsToldItsCaller) {
  const TxfPtr model = OpenLogged(1);
  char desc[512] = "untouched";
  const SessionPtr first(clamma_session_construct_desc(model.get(), desc, sizeof(desc)));
  ASSERT_NE(first, nullptr);
  EXPECT_STREQ(desc, "");
  EXPECT_TRUE(log_.lines.empty());

  EXPECT_EQ(clamma_session_construct_desc(model.get(), desc, sizeof(desc)), nullptr);
  const std::string reason = "stories260K.bin has its 1 sessions already: see max_sessions";
  EXPECT_EQ(desc, reason);
  EXPECT_EQ(log_.lines, std::vector<std::string>{reason});

  char cut[10] = "";
  EXPECT_EQ(clamma_session_construct_desc(model.get(), cut, sizeof(cut)), nullptr);
  EXPECT_EQ(std::string(cut).size(), 9u) << cut;
  EXPECT_EQ(clamma_session_construct_desc(model.get(), nullptr, 0), nullptr);
  EXPECT_EQ(clamma_session_construct_desc(model.get(), nullptr, 100), nullptr);
}

TEST_F(Reasons, ASessionOfNoTransformerIsRefusedInDesc) {
  char desc[128] = "";
  testing::internal::CaptureStderr();
  EXPECT_EQ(clamma_session_construct_desc(nullptr, desc, sizeof(desc)), nullptr);
  EXPECT_NE(testing::internal::GetCapturedStderr().find(desc), std::string::npos);
  EXPECT_STREQ(desc, "clamma_session_construct() was given no txf");
}

TEST_F(Reasons, AMissingArgumentBesideASessionGoesToItsLog) {
  const TxfPtr model = OpenLogged();
  const SessionPtr session = NewSession(model);
  testing::internal::CaptureStderr();
  EXPECT_NE(clamma_session_save(session.get(), nullptr, nullptr), 0);
  EXPECT_NE(clamma_session_restore(session.get(), nullptr, nullptr), 0);
  EXPECT_NE(clamma_session_facts(session.get(), nullptr), 0);
  EXPECT_NE(clamma_query_facts(session.get(), nullptr), 0);
  EXPECT_NE(clamma_session_get_tokens(session.get(), nullptr, 0, nullptr), 0);
  EXPECT_NE(clamma_session_set_tokens(session.get(), nullptr, 5), 0);
  EXPECT_NE(clamma_session_query(session.get(), nullptr), 0);
  EXPECT_NE(clamma_chat_query(session.get(), nullptr, nullptr, 0), 0);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_EQ(log_.lines.size(), 8u);
  EXPECT_EQ(log_.lines[0], "clamma_session_save() was given NULL where it needs something");
  EXPECT_EQ(log_.lines[6], "clamma_session_query() needs a session and an info");
}

TEST_F(Reasons, AMissingArgumentBesideATransformerGoesToItsLog) {
  const TxfPtr model = OpenLogged();
  size_t count = 0;
  testing::internal::CaptureStderr();
  EXPECT_NE(clamma_encode(model.get(), nullptr, 1, 0, nullptr, 0, &count), 0);
  EXPECT_NE(clamma_decode(model.get(), nullptr, 1, nullptr, 0, &count), 0);
  EXPECT_NE(clamma_token_text(model.get(), 1, nullptr, 0, nullptr), 0);
  EXPECT_NE(clamma_txf_metadata(model.get(), nullptr, nullptr, 0, &count), 0);
  EXPECT_NE(clamma_score(model.get(), "x", 1, nullptr, nullptr, 0), 0);
  EXPECT_NE(clamma_txf_facts(model.get(), nullptr), 0);
  EXPECT_NE(clamma_encode_query(model.get(), nullptr, nullptr, 1, nullptr, 0, nullptr), 0);
  EXPECT_NE(clamma_chat_render(model.get(), nullptr, nullptr, 1, 1, nullptr, 0, &count), 0);
  EXPECT_NE(clamma_chat_encode(model.get(), nullptr, nullptr, 1, 1, nullptr, 0, &count), 0);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(log_.lines.size(), 9u);
}

}  // namespace
}  // namespace clamma_test
