// SPDX-License-Identifier: MIT
// The fields of a query that select how tokens are sampled: their ranges and effects.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "session_fixture.h"

namespace clamma_test {
namespace {

TEST_F(SessionTest, SamplingValuesOutOfRangeAreRefused) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  struct Case {
    const char* what;
    float clamma_txf_info_t::*field;
    float value;
  };
  const Case cases[] = {
      {"temperature", &clamma_txf_info_t::temperature, nan},
      {"temperature", &clamma_txf_info_t::temperature, infinity},
      {"temperature", &clamma_txf_info_t::temperature, -1},
      {"temperature", &clamma_txf_info_t::temperature, -1e-30f},
      {"topp", &clamma_txf_info_t::topp, nan},
      {"topp", &clamma_txf_info_t::topp, -0.1f},
      {"topp", &clamma_txf_info_t::topp, 1.1f},
      {"topp", &clamma_txf_info_t::topp, -infinity},
      {"min_p", &clamma_txf_info_t::min_p, nan},
      {"min_p", &clamma_txf_info_t::min_p, -0.1f},
      {"min_p", &clamma_txf_info_t::min_p, 1.1f},
      {"min_p", &clamma_txf_info_t::min_p, infinity},
      {"repetition_penalty", &clamma_txf_info_t::repetition_penalty, nan},
      {"repetition_penalty", &clamma_txf_info_t::repetition_penalty, -1},
      {"repetition_penalty", &clamma_txf_info_t::repetition_penalty, infinity},
      {"frequency_penalty", &clamma_txf_info_t::frequency_penalty, nan},
      {"presence_penalty", &clamma_txf_info_t::presence_penalty, infinity},
  };
  const SessionPtr session = NewSession(model_);
  for (const Case& c : cases) {
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 5});
    info.*c.field = c.value;
    char desc[128] = "";
    info.desc = desc;
    info.desc_max = sizeof(desc);
    EXPECT_NE(clamma_session_query(session.get(), &info), 0) << c.what << " " << c.value;
    EXPECT_NE(std::string(desc).find(c.what), std::string::npos) << c.what << ": " << desc;
    EXPECT_EQ(clamma_sessions_step_next(), 0);
  }
  EXPECT_EQ(RunQuery(session.get(), {.limit = 5}).why, CLAMMA_DONE_LIMIT);
}

TEST_F(SessionTest, ListsOfTokensThatCannotBeAreRefused) {
  const tok_id_t vocab_size = 512;
  const SessionPtr session = NewSession(model_);
  const clamma_logit_bias_t infinite[] = {{3, 1}, {4, std::numeric_limits<float>::infinity()}};
  const clamma_logit_bias_t beyond[] = {{vocab_size, 1}};
  const tok_id_t stops[] = {5, -1};
  const auto refused = [&](const char* what, const auto& set) {
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 5});
    set(&info);
    char desc[128] = "";
    info.desc = desc;
    info.desc_max = sizeof(desc);
    EXPECT_NE(clamma_session_query(session.get(), &info), 0) << what;
    EXPECT_EQ(std::string(desc), what);
  };
  refused("stop_token_count is given, and stop_tokens is NULL",
          [](auto* info) { info->stop_token_count = 1; });
  refused("logit_bias_count is given, and logit_bias is NULL",
          [](auto* info) { info->logit_bias_count = 1; });
  refused("a bias of logit_bias is not finite", [&](auto* info) {
    info->logit_bias = infinite;
    info->logit_bias_count = 2;
  });
  refused("logit_bias: token 512 at 0 is not one of 0 .. 511", [&](auto* info) {
    info->logit_bias = beyond;
    info->logit_bias_count = 1;
  });
  refused("stop_tokens: token -1 at 1 is not one of 0 .. 511", [&](auto* info) {
    info->stop_tokens = stops;
    info->stop_token_count = 2;
  });
}

// Returns the tokens of a greedy text. The lists of the query are overwritten before it runs.
std::vector<tok_id_t> TokensOf(txf_session* session, clamma_done_t* why,
                               std::vector<tok_id_t> stops,
                               std::vector<clamma_logit_bias_t> biases) {
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 30});
  info.stop_tokens = stops.data();
  info.stop_token_count = stops.size();
  info.logit_bias = biases.data();
  info.logit_bias_count = biases.size();
  EXPECT_EQ(clamma_session_query(session, &info), 0);
  std::fill(stops.begin(), stops.end(), -5);
  std::fill(biases.begin(), biases.end(), clamma_logit_bias_t{-5, 0});
  StepAll();
  *why = listener.ends.at(0);
  size_t count = 0;
  clamma_session_get_tokens(session, nullptr, 0, &count);
  std::vector<tok_id_t> tokens(count);
  clamma_session_get_tokens(session, tokens.data(), count, &count);
  return tokens;
}

TEST_F(SessionTest, StopTokensEndTheTextBeforeTheirOwn) {
  clamma_done_t why = CLAMMA_DONE_ERROR;
  const std::vector<tok_id_t> whole = TokensOf(NewSession(model_).get(), &why, {}, {});
  ASSERT_EQ(why, CLAMMA_DONE_LIMIT);
  const size_t begin = whole.size() - 30;
  const tok_id_t stop = whole[begin + 7];
  const auto first = std::find(whole.begin() + static_cast<ptrdiff_t>(begin), whole.end(), stop);
  std::vector<tok_id_t> expected(whole.begin(), first + 1);
  EXPECT_EQ(TokensOf(NewSession(model_).get(), &why, {511, stop}, {}), expected);
  EXPECT_EQ(why, CLAMMA_DONE_END_OF_TEXT);
  // The text is that of the tokens before it.
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 30});
  info.stop_tokens = &stop;
  info.stop_token_count = 1;
  const SessionPtr session = NewSession(model_);
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  const auto limit = static_cast<size_t>(first - whole.begin()) - begin;
  EXPECT_EQ(listener.text, RunFresh(model_, {.limit = limit}).text);
}

TEST_F(SessionTest, BiasesKeepTokensAway) {
  clamma_done_t why = CLAMMA_DONE_ERROR;
  const std::vector<tok_id_t> whole = TokensOf(NewSession(model_).get(), &why, {}, {});
  const tok_id_t token = whole[whole.size() - 20];
  const std::vector<tok_id_t> without =
      TokensOf(NewSession(model_).get(), &why, {}, {{token, -100}});
  const size_t begin = whole.size() - 30;
  EXPECT_EQ(std::count(without.begin() + static_cast<ptrdiff_t>(begin), without.end(), token), 0);
  const std::vector<tok_id_t> alone = TokensOf(NewSession(model_).get(), &why, {}, {{token, 1000}});
  EXPECT_EQ(std::count(alone.begin() + static_cast<ptrdiff_t>(begin), alone.end(), token), 30);
}

TEST_F(SessionTest, PenaltiesCountWhatTheQueryGeneratedAlone) {
  const SessionPtr session = NewSession(model_);
  for (int round = 0; round < 2; ++round) {  // the second has the first's tokens before it
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 40});
    info.presence_penalty = 1000;
    size_t before = 0;
    clamma_session_get_tokens(session.get(), nullptr, 0, &before);
    ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
    StepAll();
    clamma_session_facts_t facts = {};
    clamma_session_facts(session.get(), &facts);
    size_t count = 0;
    clamma_session_get_tokens(session.get(), nullptr, 0, &count);
    std::vector<tok_id_t> tokens(count);
    clamma_session_get_tokens(session.get(), tokens.data(), count, &count);
    const std::vector<tok_id_t> generated(
        tokens.end() - static_cast<ptrdiff_t>(facts.generated_tokens), tokens.end());
    EXPECT_EQ(std::set<tok_id_t>(generated.begin(), generated.end()).size(), generated.size())
        << "round " << round;
  }
}

TEST_F(SessionTest, SwitchedOffSamplingValuesAreOff) {
  const Ask sampled = {.limit = 30, .temperature = 1, .seed = 11};
  const std::string plain = RunFresh(model_, sampled).text;
  for (const float topp : {0.0f, -0.0f, 1.0f}) {
    Ask ask = sampled;
    ask.topp = topp;
    EXPECT_EQ(RunFresh(model_, ask).text, plain) << "topp " << topp;
  }
  const SessionPtr session = NewSession(model_);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, sampled);
  info.repetition_penalty = 1;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  EXPECT_EQ(listener.text, plain) << "repetition_penalty 1";
}

TEST_F(SessionTest, TinyRepetitionPenaltyDoesNotBreakTheQuery) {
  for (const float penalty : {1e-45f, 1e-38f, 1e-10f, 1e10f, 3e38f}) {
    const SessionPtr session = NewSession(model_);
    Listener listener;
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 20});
    info.repetition_penalty = penalty;
    ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
    StepAll();
    ASSERT_EQ(listener.ends.size(), 1u);
    EXPECT_NE(listener.ends[0], CLAMMA_DONE_ERROR) << "penalty " << penalty;
  }
}

}  // namespace
}  // namespace clamma_test
