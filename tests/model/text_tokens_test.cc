// SPDX-License-Identifier: MIT
// Checkpoints whose headers name the tokens that begin and end texts: see docs/formats.md.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "api_fixture.h"
#include "clamma-extra.h"
#include "temporary_folder.h"

namespace {

using clamma_test::kFloatV1Model;
using clamma_test::Listener;
using clamma_test::ModelPath;
using clamma_test::ReadBytes;

constexpr tok_id_t kBegin = 300;
constexpr tok_id_t kFirstEnd = 400;
constexpr tok_id_t kSecondEnd = 401;

class TextTokensTest : public testing::Test {
 protected:
  void SetUp() override {
    CLAMMA_NEED_FILE(ModelPath(kFloatV1Model));
    std::vector<uint8_t> bytes = ReadBytes(ModelPath(kFloatV1Model));
    const int32_t numbers[] = {0x736b6f74, kBegin, 2, kFirstEnd, kSecondEnd};
    for (size_t i = 0; i < std::size(numbers); ++i) {
      for (size_t k = 0; k < 4; ++k) {
        bytes[64 + 4 * i + k] = static_cast<uint8_t>(static_cast<uint32_t>(numbers[i]) >> 8 * k);
      }
    }
    info_ = clamma_test::ModelInfo(folder_.Write("said.bin", bytes));
  }

  // Runs a query of at most three tokens, each of which is `token`. Returns why it ended.
  static clamma_done_t Force(txf_session* session, tok_id_t token, const char* prompt) {
    Listener listener;
    clamma_txf_info_t info = clamma_test::QueryInfo(listener, {.prompt = prompt, .limit = 3});
    const clamma_logit_bias_t bias = {token, 1e6f};
    info.logit_bias = &bias;
    info.logit_bias_count = 1;
    EXPECT_EQ(clamma_session_query(session, &info), 0);
    clamma_test::StepAll();
    EXPECT_EQ(listener.ends.size(), 1u);
    return listener.ends.empty() ? CLAMMA_DONE_ERROR : listener.ends[0];
  }

  static std::vector<tok_id_t> TokensOf(const txf_session* session) {
    size_t count = 0;
    EXPECT_EQ(clamma_session_get_tokens(session, nullptr, 0, &count), 0);
    std::vector<tok_id_t> tokens(count);
    EXPECT_EQ(clamma_session_get_tokens(session, tokens.data(), count, &count), 0);
    return tokens;
  }

  clamma_test::TemporaryFolder folder_;
  clamma_txf_info_t info_ = {};
};

TEST_F(TextTokensTest, TextsBeginAndEndWithThem) {
  const clamma_test::TxfPtr model = clamma_test::Open(info_);
  for (const tok_id_t end : {kFirstEnd, kSecondEnd}) {
    const auto session = clamma_test::NewSession(model);
    EXPECT_EQ(Force(session.get(), end, "Once"), CLAMMA_DONE_END_OF_TEXT) << end;
    const std::vector<tok_id_t> tokens = TokensOf(session.get());
    EXPECT_EQ(tokens.front(), kBegin);
    EXPECT_EQ(tokens.back(), end);
    // The next query begins a new text.
    EXPECT_EQ(Force(session.get(), 450, "Once"), CLAMMA_DONE_LIMIT);
    EXPECT_EQ(TokensOf(session.get())[tokens.size()], kBegin);
  }
}

TEST_F(TextTokensTest, TheUsualOnesAreTokensLikeOthers) {
  const clamma_test::TxfPtr model = clamma_test::Open(info_);
  for (const tok_id_t token : {TOK_BOS, TOK_EOS}) {
    const auto session = clamma_test::NewSession(model);
    EXPECT_EQ(Force(session.get(), token, "Once"), CLAMMA_DONE_LIMIT) << token;
  }
}

TEST_F(TextTokensTest, AnAnswerIsClosedOnce) {
  info_.model_type = CLAMMA_MODEL_CHAT;
  const clamma_test::TxfPtr model = clamma_test::Open(info_);
  for (const tok_id_t end : {kFirstEnd, kSecondEnd}) {
    const auto session = clamma_test::NewSession(model);
    EXPECT_EQ(Force(session.get(), end, "Hello"), CLAMMA_DONE_END_OF_TEXT);
    const size_t answered = TokensOf(session.get()).size();
    EXPECT_EQ(Force(session.get(), 450, "Again"), CLAMMA_DONE_LIMIT);
    EXPECT_EQ(TokensOf(session.get())[answered], kBegin) << "behind " << end;
    // An answer that was cut off is closed by the first of the ends.
    const size_t cut = TokensOf(session.get()).size();
    EXPECT_EQ(Force(session.get(), end, "Once more"), CLAMMA_DONE_END_OF_TEXT);
    const std::vector<tok_id_t> tokens = TokensOf(session.get());
    EXPECT_EQ(tokens[cut], kFirstEnd);
    EXPECT_EQ(tokens[cut + 1], kBegin);
  }
}

}  // namespace
