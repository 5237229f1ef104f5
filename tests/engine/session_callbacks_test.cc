// SPDX-License-Identifier: MIT
// Queries that are cancelled, and what callbacks may do.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "platform/threads.h"
#include "session_fixture.h"

namespace clamma_test {
namespace {

// ---- Cancelling ----

TEST_F(SessionTest, NonZeroReturnOfIssueCbCancels) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] { return listener.pieces == 5 ? 1 : 0; };
  ASSERT_EQ(StartQuery(session.get(), listener, {}), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 5u);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  const std::string so_far = listener.text;
  const Outcome rest = RunQuery(session.get(), {.limit = 20});
  EXPECT_EQ(so_far + rest.text,
            RunFresh(model_, {.limit = 20 + Facts(session.get()).position - 20}).text)
      << "what was generated stays in the context";
}

TEST_F(SessionTest, NegativeReturnOfIssueCbCancels) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [] { return -1; };
  ASSERT_EQ(StartQuery(session.get(), listener, {}), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 1u);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
}

TEST_F(SessionTest, CancelFromInsideTheCallback) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    if (listener.pieces == 3) clamma_sessions_query_cancel(session.get());
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {}), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 3u);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
}

TEST_F(SessionTest, CancelOfAnotherSessionFromInsideACallback) {
  const std::string alone = RunFresh(model_, {.limit = 30}).text;
  const SessionPtr first = NewSession(model_);
  const SessionPtr second = NewSession(model_);
  Listener a;
  Listener b;
  a.on_text = [&] {
    if (a.pieces == 5) clamma_sessions_query_cancel(second.get());
    return 0;
  };
  ASSERT_EQ(StartQuery(first.get(), a, {.limit = 30}), 0);
  ASSERT_EQ(StartQuery(second.get(), b, {.limit = 30}), 0);
  StepAll();
  EXPECT_EQ(a.text, alone);
  EXPECT_EQ(a.ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
  EXPECT_LE(b.pieces, 5u);
  EXPECT_EQ(b.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
}

TEST_F(SessionTest, CancelFromAnotherThreadWhileACallbackRuns) {
  if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    if (listener.pieces == 4) {
      std::thread([&] { clamma_sessions_query_cancel(session.get()); }).join();
    }
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {}), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 4u);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
}

TEST_F(SessionTest, CancelBeforeTheFirstStep) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = "Once upon"}), 0);
  clamma_sessions_query_cancel(session.get());
  EXPECT_FALSE(listener.ended()) << "cancel returns at once; the next step ends the query";
  StepAll();
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  EXPECT_EQ(Facts(session.get()).position, 0u);
}

TEST_F(SessionTest, CancelOfAnIdleSessionDoesNotReachItsNextQuery) {
  const SessionPtr session = NewSession(model_);
  clamma_sessions_query_cancel(session.get());
  clamma_sessions_query_cancel(nullptr);
  EXPECT_EQ(RunQuery(session.get(), {.limit = 10}).text, RunFresh(model_, {.limit = 10}).text);
}

TEST_F(SessionTest, CancelDuringALongPromptLeavesANewSessionAsItWas) {
  const std::string prompt = LongPrompt();
  const std::string expected = RunFresh(model_, {.prompt = "The dog", .limit = 30}).text;
  const SessionPtr session = NewSession(model_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = prompt.c_str()}), 0);
  ASSERT_EQ(clamma_sessions_step_next(), 1);
  ASSERT_EQ(listener.pieces, 0u) << "the prompt is longer than a step takes";
  EXPECT_GT(Facts(session.get()).position, 0u);
  clamma_sessions_query_cancel(session.get());
  StepAll();
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  EXPECT_EQ(listener.text, "");
  EXPECT_EQ(Facts(session.get()).position, 0u);
  const Outcome outcome = RunQuery(session.get(), {.prompt = "The dog", .limit = 30});
  EXPECT_EQ(outcome.text, expected);
}

TEST_F(SessionTest, CancelDuringALongPromptLeavesAConversationAsItWas) {
  const Outcome whole = RunFresh(model_, {.limit = 60});
  const std::string prompt = LongPrompt(24);
  for (const int steps : {0, 1, 2}) {
    const SessionPtr session = NewSession(model_);
    const Outcome first = RunQuery(session.get(), {.limit = 20});
    Listener listener;
    ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = prompt.c_str()}), 0);
    for (int i = 0; i < steps; ++i) ASSERT_EQ(clamma_sessions_step_next(), 1);
    clamma_sessions_query_cancel(session.get());
    StepAll();
    ASSERT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
    EXPECT_EQ(Facts(session.get()).position, first.facts.position);
    const Outcome rest = RunQuery(session.get(), {.limit = 40});
    EXPECT_EQ(first.text + rest.text, whole.text) << "cancelled after " << steps << " steps";
  }
}

// ---- What callbacks may do ----

TEST_F(SessionTest, DoneCbMayStartTheNextQuery) {
  const std::string whole = RunFresh(model_, {.limit = 30}).text;
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_done = [&](clamma_done_t why) {
    EXPECT_EQ(why, CLAMMA_DONE_LIMIT);
    if (listener.ends.size() < 3) {
      EXPECT_EQ(StartQuery(session.get(), listener, {.prompt = nullptr, .limit = 10}), 0);
    }
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 10}), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 3u);
  EXPECT_EQ(listener.text, whole);
}

TEST_F(SessionTest, DoneCbMayDestroyItsSession) {
  SessionPtr session = NewSession(model_);
  Listener listener;
  void* pointer = session.get();
  listener.on_done = [&](clamma_done_t) {
    session.reset();
    EXPECT_EQ(pointer, nullptr) << "null_on_destroy is honoured at once";
  };
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 10});
  info.null_on_destroy = &pointer;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 1u);
  EXPECT_EQ(session, nullptr);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(SessionTest, DoneCbMayStartAQueryAndThenDestroyItsSession) {
  SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_done = [&](clamma_done_t) {
    EXPECT_EQ(StartQuery(session.get(), listener, {.prompt = nullptr, .limit = 10}), 0);
    session.reset();
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 10}), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 1u);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(SessionTest, DoneCbMayDestroyTheTransformer) {
  SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_done = [&](clamma_done_t) {
    (void)session.release();
    model_.reset();
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 10}), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 1u);
  EXPECT_EQ(model_, nullptr);
}

TEST_F(SessionTest, IssueCbMayDestroyItsOwnSession) {
  SessionPtr session = NewSession(model_);
  Listener listener;
  void* pointer = session.get();
  listener.on_text = [&] {
    if (listener.pieces == 3) {
      session.reset();
      EXPECT_EQ(pointer, nullptr) << "null_on_destroy is honoured at once";
    }
    return 0;
  };
  clamma_txf_info_t info = QueryInfo(listener, {});
  info.null_on_destroy = &pointer;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  EXPECT_EQ(listener.pieces, 3u);
  EXPECT_FALSE(listener.ended()) << "destruction ends a query without a done_cb";
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(SessionTest, IssueCbMayDestroyAnotherSession) {
  const std::string alone = RunFresh(model_, {.limit = 30}).text;
  const SessionPtr first = NewSession(model_);
  SessionPtr second = NewSession(model_);
  SessionPtr third = NewSession(model_);
  Listener a;
  Listener b;
  Listener c;
  a.on_text = [&] {
    if (a.pieces == 5) second.reset();
    return 0;
  };
  ASSERT_EQ(StartQuery(first.get(), a, {.limit = 30}), 0);
  ASSERT_EQ(StartQuery(second.get(), b, {.limit = 30}), 0);
  ASSERT_EQ(StartQuery(third.get(), c, {.limit = 30}), 0);
  StepAll();
  EXPECT_EQ(a.text, alone);
  EXPECT_EQ(c.text, alone);
  EXPECT_LE(b.pieces, 5u);
  EXPECT_FALSE(b.ended());
  EXPECT_EQ(Facts(model_).sessions, 2u);
}

TEST_F(SessionTest, IssueCbMayDestroyTheTransformer) {
  const TxfPtr other = Open(ModelInfo(kFloatModel));
  const std::string alone = RunFresh(other, {.limit = 30}).text;
  const SessionPtr of_other = NewSession(other);
  txf_session* sessions[2] = {clamma_session_construct(model_.get()),
                              clamma_session_construct(model_.get())};
  Listener a;
  Listener b;
  Listener c;
  void* pointers[2] = {sessions[0], sessions[1]};
  a.on_text = [&] {
    if (a.pieces == 4) {
      model_.reset();
      EXPECT_EQ(pointers[0], nullptr);
      EXPECT_EQ(pointers[1], nullptr);
    }
    return 0;
  };
  clamma_txf_info_t info = QueryInfo(a, {.limit = 30});
  info.null_on_destroy = &pointers[0];
  ASSERT_EQ(clamma_session_query(sessions[0], &info), 0);
  info = QueryInfo(b, {.limit = 30});
  info.null_on_destroy = &pointers[1];
  ASSERT_EQ(clamma_session_query(sessions[1], &info), 0);
  ASSERT_EQ(StartQuery(of_other.get(), c, {.limit = 30}), 0);
  StepAll();
  EXPECT_EQ(a.pieces, 4u);
  EXPECT_LE(b.pieces, 4u);
  EXPECT_FALSE(a.ended());
  EXPECT_FALSE(b.ended());
  EXPECT_EQ(c.text, alone) << "the other transformer's session goes on";
}

TEST_F(SessionTest, IssueCbMayConstructAndQuery) {
  const std::string alone = RunFresh(model_, {.limit = 20}).text;
  const SessionPtr first = NewSession(model_);
  SessionPtr second;
  TxfPtr other;
  SessionPtr third;
  Listener a;
  Listener b;
  Listener c;
  a.on_text = [&] {
    if (a.pieces != 5) return 0;
    second = NewSession(model_);
    EXPECT_EQ(StartQuery(second.get(), b, {.limit = 20}), 0);
    other = Open(ModelInfo(kFloatModel));
    third = NewSession(other);
    EXPECT_EQ(StartQuery(third.get(), c, {.limit = 20}), 0);
    return 0;
  };
  ASSERT_EQ(StartQuery(first.get(), a, {.limit = 20}), 0);
  StepAll();
  EXPECT_EQ(a.text, alone);
  EXPECT_EQ(b.text, alone);
  EXPECT_EQ(c.text, alone);
}

TEST_F(SessionTest, FactsAndTokensAreThereInsideCallbacks) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    const clamma_session_facts_t facts = Facts(session.get());
    EXPECT_EQ(facts.prompt_tokens, 1u);
    EXPECT_GE(facts.generated_tokens, listener.pieces);
    EXPECT_EQ(Facts(model_).sessions, 1u);
    EXPECT_GT(CountTokens(model_, "Lily", 0), 0u);
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 10}), 0);
  StepAll();
  EXPECT_EQ(listener.ends.size(), 1u);
}

TEST_F(SessionTest, StepFromInsideACallbackReturnsZero) {
  const std::string alone = RunFresh(model_, {.limit = 20}).text;
  const SessionPtr first = NewSession(model_);
  const SessionPtr second = NewSession(model_);
  Listener a;
  Listener b;
  a.on_text = [&] {
    EXPECT_EQ(clamma_sessions_step_next(), 0);
    return 0;
  };
  a.on_done = [&](clamma_done_t) { EXPECT_EQ(clamma_sessions_step_next(), 0); };
  ASSERT_EQ(StartQuery(first.get(), a, {.limit = 20}), 0);
  ASSERT_EQ(StartQuery(second.get(), b, {.limit = 20}), 0);
  StepAll();
  EXPECT_EQ(a.text, alone);
  EXPECT_EQ(b.text, alone);
}

TEST_F(SessionTest, MissingCallbacksDropTheText) {
  const SessionPtr session = NewSession(model_);
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.prompt = "";
  info.limit = 10;
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  StepAll();
  EXPECT_EQ(Facts(session.get()).generated_tokens, 10u);
  const std::string rest = RunQuery(session.get(), {.limit = 10}).text;
  const std::string whole = RunFresh(model_, {.limit = 20}).text;
  EXPECT_EQ(whole.substr(whole.size() - rest.size()), rest);
}

TEST_F(SessionTest, NothingToDoIsZero) {
  EXPECT_EQ(clamma_sessions_step_next(), 0);
  const SessionPtr session = NewSession(model_);
  EXPECT_EQ(clamma_sessions_step_next(), 0);
}

}  // namespace
}  // namespace clamma_test
