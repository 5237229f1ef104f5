// SPDX-License-Identifier: MIT
// clamma-extra.h: scores of given tokens, compared with those of texts and with what queries are
// told.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "embed_fixture.h"
#include "extra_fixture.h"

namespace clamma_test {
namespace {

constexpr size_t kTop = 3;

struct TokenScores {
  std::vector<float> logprobs;
  Tokens top_tokens;
  std::vector<float> top_logprobs;
};

int Score(const TxfPtr& model, const Tokens& tokens, size_t n_top, TokenScores* scores,
          Parts* parts = nullptr) {
  scores->logprobs.assign(tokens.size(), 7);
  scores->top_tokens.assign(tokens.size() * n_top, -7);
  scores->top_logprobs.assign(tokens.size() * n_top, 7);
  return clamma_score_tokens(model.get(), tokens.data(), tokens.size(), scores->logprobs.data(),
                             n_top, scores->top_tokens.data(), scores->top_logprobs.data(),
                             parts == nullptr ? nullptr : Parts::OnPart, parts);
}

class ScoreTokensTest : public LoggedModelTest {};

TEST_F(ScoreTokensTest, ScoresAreThoseOfTheText) {
  const std::string text =
      "Once upon a time, there was a little girl named Lily. She loved to play.";
  Tokens tokens(text.size() + 3);
  size_t n = 0;
  ASSERT_EQ(clamma_encode(model_.get(), text.data(), text.size(),
                          CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX, tokens.data(),
                          tokens.size(), &n),
            0);
  tokens.resize(n);
  std::vector<float> expected(n - 1);
  clamma_score_t score = {};
  ASSERT_EQ(clamma_score(model_.get(), text.data(), text.size(), &score, expected.data(), n - 1),
            0);
  TokenScores scores;
  ASSERT_EQ(Score(model_, tokens, 0, &scores), 0);
  scores.logprobs.pop_back();  // there is one fewer than tokens
  EXPECT_EQ(scores.logprobs, expected);
}

// What a greedy query generates behind a token, and is told.
struct Told {
  Tokens tokens = {1};
  TokenScores scores;
  static void Take(void* opaque, tok_id_t token, float logprob, size_t n_top, const tok_id_t* top,
                   const float* logprobs) {
    auto& self = *static_cast<Told*>(opaque);
    self.tokens.push_back(token);
    self.scores.logprobs.push_back(logprob);
    self.scores.top_tokens.insert(self.scores.top_tokens.end(), top, top + n_top);
    self.scores.top_logprobs.insert(self.scores.top_logprobs.end(), logprobs, logprobs + n_top);
  }
};

TEST_F(ScoreTokensTest, ScoresAndLikeliestTokensAreThoseThatAQueryIsTold) {
  Told told;
  const SessionPtr session = NewSession(model_);
  ASSERT_EQ(clamma_session_set_tokens(session.get(), told.tokens.data(), 1), 0);
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.limit = 90;
  info.temperature = 1.0f;
  info.rng_seed = 5;
  info.logprobs_cb = Told::Take;
  info.top_logprobs = kTop;
  info.opaque_user_pointer = &told;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  ASSERT_GT(told.tokens.size(), 40u);
  TokenScores scores;
  Parts parts;
  ASSERT_EQ(Score(model_, told.tokens, kTop, &scores, &parts), 0);
  scores.logprobs.resize(told.tokens.size() - 1);
  scores.top_tokens.resize(kTop * (told.tokens.size() - 1));
  scores.top_logprobs.resize(kTop * (told.tokens.size() - 1));
  EXPECT_EQ(scores.logprobs, told.scores.logprobs);
  EXPECT_EQ(scores.top_tokens, told.scores.top_tokens);
  EXPECT_EQ(scores.top_logprobs, told.scores.top_logprobs);
  ASSERT_FALSE(parts.told.empty());
  EXPECT_EQ(parts.told.back(), std::make_pair(told.tokens.size() - 1, told.tokens.size() - 1));
}

TEST_F(ScoreTokensTest, WhatCannotBeScoredIsRefusedWithAReason) {
  TokenScores scores;
  EXPECT_NE(Score(model_, {1}, 0, &scores), 0);
  EXPECT_NE(log_.last().find("1 tokens: there is none to score"), std::string::npos) << log_.last();
  EXPECT_NE(Score(model_, {1, 2, 512}, 0, &scores), 0);
  EXPECT_NE(log_.last().find("token 512 at 2"), std::string::npos) << log_.last();
  EXPECT_NE(Score(model_, {1, 2, -1}, 0, &scores), 0);
  EXPECT_NE(Score(model_, {1, 2}, 513, &scores), 0);
  EXPECT_NE(log_.last().find("n_top is 513"), std::string::npos) << log_.last();
  EXPECT_NE(Score(model_, Tokens(513, 5), 0, &scores), 0);
  EXPECT_NE(log_.last().find("513 tokens"), std::string::npos) << log_.last();
  Parts parts;
  parts.on_part = [] { return 1; };
  EXPECT_NE(Score(model_, {1, 2, 3}, 0, &scores, &parts), 0);
  EXPECT_NE(log_.last().find("cancelled"), std::string::npos) << log_.last();
}

}  // namespace
}  // namespace clamma_test
