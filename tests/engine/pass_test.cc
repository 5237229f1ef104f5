// SPDX-License-Identifier: MIT
#include "engine/pass.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api_fixture.h"

namespace clamma_test {
namespace {

class PassTest : public ModelTest {
 protected:
  static std::string Prompt(size_t sentences) {
    std::string text = "Lily";
    for (size_t i = 0; i < sentences; ++i) text += " went to the park and saw a big red ball.";
    return text;
  }
};

TEST_F(PassTest, SessionsThatGenerateGetATokenInEachRoundBesideALongPrompt) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  std::vector<SessionPtr> sessions;
  std::vector<Listener> listeners(4);
  for (Listener& listener : listeners) {
    sessions.push_back(NewSession(model));
    ASSERT_EQ(StartQuery(sessions.back().get(), listener, {.prompt = "", .limit = 400}), 0);
  }
  for (size_t i = 0; i < 8; ++i) ASSERT_EQ(clamma_sessions_step_next(), 1);

  const SessionPtr late = NewSession(model);
  Listener listener;
  const std::string prompt = Prompt(24);
  ASSERT_EQ(StartQuery(late.get(), listener, {.prompt = prompt.c_str(), .limit = 1}), 0);
  size_t rounds = 0;
  while (!listener.ended()) {
    std::vector<size_t> before;
    for (const SessionPtr& session : sessions) before.push_back(Facts(session.get()).position);
    const size_t fed = Facts(late.get()).position;
    for (size_t i = 0; i < sessions.size() + 1; ++i) ASSERT_EQ(clamma_sessions_step_next(), 1);
    for (size_t i = 0; i < sessions.size(); ++i) {
      EXPECT_EQ(Facts(sessions[i].get()).position, before[i] + 1) << "session " << i;
    }
    EXPECT_GT(Facts(late.get()).position, fed) << "the prompt waits";
    ++rounds;
  }
  EXPECT_GT(rounds, 3u) << "the prompt went through in chunks";
}

TEST_F(PassTest, TextsDoNotDependOnWhoIsInThePass) {
  for (const char* checkpoint : {kFloatModel, kQ80Model, kStraddlingModel}) {
    SCOPED_TRACE(checkpoint);
    const TxfPtr model = Open(ModelInfo(checkpoint));
    std::vector<std::string> prompts;
    for (size_t i = 0; i < 16; ++i) prompts.push_back(i % 3 == 0 ? "" : Prompt(i));
    std::vector<std::string> alone;
    for (const std::string& prompt : prompts) {
      alone.push_back(RunFresh(model, {.prompt = prompt.c_str(), .limit = 40}).text);
    }
    std::vector<SessionPtr> sessions;
    std::vector<Listener> listeners(prompts.size());
    for (size_t i = 0; i < prompts.size(); ++i) {
      sessions.push_back(NewSession(model));
      ASSERT_EQ(
          StartQuery(sessions[i].get(), listeners[i], {.prompt = prompts[i].c_str(), .limit = 40}),
          0);
      // Each session starts when the others are at different positions.
      for (size_t step = 0; step < i; ++step) clamma_sessions_step_next();
    }
    StepAll();
    for (size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(listeners[i].text, alone[i]) << "session " << i;
    }
  }
}

TEST_F(PassTest, ATokenThatWasComputedIsNotHandedOutAfterACancel) {
  const TxfPtr model = Open(ModelInfo(kQ80Model));
  const std::string whole = RunFresh(model, {.prompt = "", .limit = 40}).text;
  const SessionPtr first = NewSession(model);
  const SessionPtr second = NewSession(model);
  Listener a;
  Listener b;
  ASSERT_EQ(StartQuery(first.get(), a, {.prompt = "", .limit = 40}), 0);
  ASSERT_EQ(StartQuery(second.get(), b, {.prompt = "", .limit = 40}), 0);
  for (int i = 0; i < 21; ++i) ASSERT_EQ(clamma_sessions_step_next(), 1);
  // The pass for the last token of the first session has also sampled one for the second.
  clamma_sessions_query_cancel(second.get());
  StepAll();
  EXPECT_EQ(b.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  const Outcome rest = RunQuery(second.get(), {.prompt = nullptr, .limit = 30});
  EXPECT_EQ(b.text + rest.text, whole);
  EXPECT_EQ(a.text, whole);
}

}  // namespace
}  // namespace clamma_test
