// SPDX-License-Identifier: MIT
// Steps that serve the sessions of one transformer alone.
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "platform/threads.h"
#include "session_fixture.h"

namespace clamma_test {
namespace {

class TransformerStepsTest : public SessionTest {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    if (IsSkipped()) return;
    other_ = Open(ModelInfo(kQ80Model));
    ASSERT_NE(other_, nullptr);
  }
  // Steps until no session of the transformer has a query; returns how many steps that took.
  static size_t StepAllOf(const TxfPtr& model) {
    size_t steps = 0;
    while (clamma_txf_step_next(model.get()) != 0) ++steps;
    return steps;
  }
  TxfPtr other_;
};

TEST_F(TransformerStepsTest, ServesNoSessionOfAnother) {
  const std::string mine = RunFresh(model_, {.limit = 12}).text;
  const std::string others = RunFresh(other_, {.limit = 12}).text;
  const SessionPtr first = NewSession(other_);
  const SessionPtr second = NewSession(model_);
  const SessionPtr third = NewSession(other_);
  Listener a;
  Listener b;
  Listener c;
  ASSERT_EQ(StartQuery(first.get(), a, {.limit = 12}), 0);
  ASSERT_EQ(StartQuery(second.get(), b, {.limit = 12}), 0);
  ASSERT_EQ(StartQuery(third.get(), c, {.limit = 12}), 0);
  EXPECT_EQ(StepAllOf(model_), 12u);
  EXPECT_EQ(b.text, mine);
  EXPECT_EQ(a.pieces + c.pieces, 0u);
  EXPECT_EQ(StepAllOf(other_), 24u);
  EXPECT_EQ(a.text, others);
  EXPECT_EQ(c.text, others);
  EXPECT_EQ(clamma_sessions_step_next(), 0);
}

TEST_F(TransformerStepsTest, ServesItsSessionsInTurnAndLeavesTheOrderOfTheOthers) {
  // In the queue: x0 y0 x1 y1 x2 y2, with x of one transformer and y of the other.
  std::vector<SessionPtr> sessions;
  std::vector<Listener> listeners(6);
  std::string order;
  for (size_t i = 0; i < listeners.size(); ++i) {
    sessions.push_back(NewSession(i % 2 == 0 ? model_ : other_));
    listeners[i].on_text = [&order, i] {
      order += std::string(i % 2 == 0 ? "x" : "y") + std::to_string(i / 2) + " ";
      return 0;
    };
    ASSERT_EQ(StartQuery(sessions[i].get(), listeners[i], {.limit = 50}), 0);
  }
  for (int i = 0; i < 4; ++i) ASSERT_EQ(clamma_txf_step_next(other_.get()), 1);
  EXPECT_EQ(order, "y0 y1 y2 y0 ");
  order.clear();
  // Those that were not served kept their places, in front of those that were.
  for (int i = 0; i < 6; ++i) ASSERT_EQ(clamma_sessions_step_next(), 1);
  EXPECT_EQ(order, "x0 x1 x2 y1 y2 y0 ");
  order.clear();
  ASSERT_EQ(clamma_txf_step_next(model_.get()), 1);
  for (int i = 0; i < 6; ++i) ASSERT_EQ(clamma_sessions_step_next(), 1);
  EXPECT_EQ(order, "x0 x1 x2 y1 y2 y0 x0 ");
}

TEST_F(TransformerStepsTest, ReturnsZeroWhereThereIsNothingToDo) {
  EXPECT_EQ(clamma_txf_step_next(nullptr), 0);
  EXPECT_EQ(clamma_txf_step_next(model_.get()), 0);
  const SessionPtr session = NewSession(other_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 3}), 0);
  EXPECT_EQ(clamma_txf_step_next(model_.get()), 0);
  int inside = -1;
  listener.on_text = [&] {
    inside = clamma_txf_step_next(other_.get());
    return 0;
  };
  EXPECT_EQ(clamma_txf_step_next(other_.get()), 1);
  EXPECT_EQ(inside, 0) << "inside a callback";
}

TEST_F(TransformerStepsTest, SessionsMayBeDestroyedAndQueriedInItsCallbacks) {
  const std::string whole = RunFresh(model_, {.limit = 8}).text;
  txf_session* const doomed = clamma_session_construct(model_.get());
  const SessionPtr lasting = NewSession(model_);
  Listener first;
  Listener second;
  first.on_text = [&] {
    clamma_session_destroy(doomed);
    EXPECT_EQ(StartQuery(lasting.get(), second, {.limit = 8}), 0);
    return 0;
  };
  ASSERT_EQ(StartQuery(doomed, first, {.limit = 8}), 0);
  EXPECT_EQ(StepAllOf(model_), 9u);
  EXPECT_EQ(first.pieces, 1u);
  EXPECT_EQ(second.text, whole);
}

TEST_F(TransformerStepsTest, TwoThreadsRunTheirOwnCallbacks) {
  if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
  std::atomic<size_t> strays{0};
  const auto live = [&](const TxfPtr& model, const std::string& expected) {
    const std::thread::id me = std::this_thread::get_id();
    for (int i = 0; i < 20; ++i) {
      const SessionPtr session = NewSession(model);
      Listener listener;
      listener.on_text = [&] {
        if (std::this_thread::get_id() != me) ++strays;
        return 0;
      };
      ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 12}), 0);
      StepAllOf(model);
      EXPECT_EQ(listener.text, expected);
      EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
    }
  };
  const std::string mine = RunFresh(model_, {.limit = 12}).text;
  const std::string others = RunFresh(other_, {.limit = 12}).text;
  std::thread thread([&] { live(other_, others); });
  live(model_, mine);
  thread.join();
  EXPECT_EQ(strays, 0u);
}

#if defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__))
TEST_F(TransformerStepsTest, ACallbackLeftByAnExceptionEndsTheStep) {
  if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
  const std::string whole = RunFresh(model_, {.limit = 8}).text;
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&]() -> int { throw std::runtime_error("left"); };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 8}), 0);
  EXPECT_THROW(clamma_txf_step_next(model_.get()), std::runtime_error);
  EXPECT_EQ(clamma_txf_step_next(model_.get()), 0) << "the query is cancelled";
  EXPECT_EQ(RunFresh(model_, {.limit = 8}).text, whole);
}
#endif

}  // namespace
}  // namespace clamma_test
