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

// Runs a prompt of about 400 tokens beside so many sessions that each generate a token a round.
// Returns how many rounds it took.
size_t RunPromptBeside(const TxfPtr& model, size_t n_generating, const std::string& prompt,
                       const std::string& expected, const std::string& others) {
  std::vector<SessionPtr> sessions;
  std::vector<Listener> listeners(n_generating);
  for (Listener& listener : listeners) {
    sessions.push_back(NewSession(model));
    EXPECT_EQ(StartQuery(sessions.back().get(), listener, {.prompt = "", .limit = 30}), 0);
  }
  for (size_t i = 0; i < 2 * n_generating; ++i) EXPECT_EQ(clamma_sessions_step_next(), 1);
  const SessionPtr late = NewSession(model);
  Listener listener;
  EXPECT_EQ(StartQuery(late.get(), listener, {.prompt = prompt.c_str(), .limit = 8}), 0);
  size_t rounds = 0;
  while (Facts(late.get()).generated_tokens == 0 && rounds < 28) {
    const size_t processed = Facts(late.get()).position;
    for (size_t i = 0; i < n_generating + 1; ++i) EXPECT_EQ(clamma_sessions_step_next(), 1);
    EXPECT_GT(Facts(late.get()).position, processed) << "round " << rounds;
    ++rounds;
    for (const SessionPtr& session : sessions) {
      EXPECT_EQ(Facts(session.get()).generated_tokens, rounds + 2);
    }
  }
  StepAll();
  EXPECT_EQ(listener.text, expected);
  for (const Listener& other : listeners) EXPECT_EQ(other.text, others);
  return rounds;
}

TEST_F(PassTest, EachPassKeepsRoomForAPromptBesideAsManySessionsAsThereMayBe) {
  const TxfPtr model = Open(ModelInfo(kFloatModel));
  const std::string prompt = Prompt(28);
  const std::string alone = RunFresh(model, {.prompt = prompt.c_str(), .limit = 8}).text;
  const std::string others = RunFresh(model, {.prompt = "", .limit = 30}).text;
  const size_t most = Facts(model).max_sessions;
  ASSERT_GE(most, 64u);
  EXPECT_LE(RunPromptBeside(model, most - 1, prompt, alone, others), 20u) << "24 positions a pass";
}

TEST_F(PassTest, PassesOfAnArenaKeepRoomForAPromptToo) {
  std::vector<char> arena(size_t{16} << 20);
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.arena = arena.data();
  info.arena_size = arena.size();
  const TxfPtr model = Open(info);
  const std::string prompt = Prompt(20);
  const std::string alone = RunFresh(model, {.prompt = prompt.c_str(), .limit = 8}).text;
  const std::string others = RunFresh(model, {.prompt = "", .limit = 30}).text;
  // More sessions than a pass of an arena has positions.
  EXPECT_GT(RunPromptBeside(model, 50, prompt, alone, others), 5u);
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
