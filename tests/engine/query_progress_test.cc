// SPDX-License-Identifier: MIT
// The progress of a query's prompt, and the facts of the query.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "session_fixture.h"

namespace clamma_test {
namespace {

using Part = std::pair<size_t, size_t>;  // processed, total
using Clock = std::chrono::steady_clock;

// A listener that also records the progress of the prompt.
struct PartListener : Listener {
  std::vector<Part> parts;
  std::function<int()> on_part;

  static int OnPart(void* opaque, size_t processed, size_t total) {
    auto& self = *static_cast<PartListener*>(opaque);
    EXPECT_EQ(self.pieces, 0u) << "the text has begun";
    self.parts.emplace_back(processed, total);
    return self.on_part ? self.on_part() : 0;
  }
};

int Start(txf_session* session, PartListener& listener, const Ask& ask) {
  clamma_txf_info_t info = QueryInfo(listener, ask);
  info.progress_cb = PartListener::OnPart;
  info.opaque_user_pointer = static_cast<Listener*>(&listener);
  return clamma_session_query(session, &info);
}

clamma_query_facts_t QueryFacts(const txf_session* session) {
  clamma_query_facts_t facts = {};
  EXPECT_EQ(clamma_query_facts(session, &facts), 0);
  return facts;
}

class QueryProgressTest : public SessionTest {};

TEST_F(QueryProgressTest, EachPartIsToldOnceAndTheLastBeforeTheText) {
  const std::string prompt = LongPrompt();
  const size_t total = CountTokens(model_, prompt, CLAMMA_ENCODE_BOS | CLAMMA_ENCODE_DUMMY_PREFIX);
  const std::string expected = RunFresh(model_, {.prompt = prompt.c_str(), .limit = 8}).text;
  const SessionPtr session = NewSession(model_);
  PartListener listener;
  ASSERT_EQ(Start(session.get(), listener, {.prompt = prompt.c_str(), .limit = 8}), 0);
  for (size_t steps = 1; listener.pieces == 0; ++steps) {
    ASSERT_EQ(clamma_sessions_step_next(), 1);
    ASSERT_EQ(listener.parts.size(), steps) << "a part each step";
    EXPECT_EQ(listener.parts.back(), Part(Facts(session.get()).position, total));
    if (steps == 1) continue;
    EXPECT_GT(listener.parts[steps - 1].first, listener.parts[steps - 2].first);
  }
  StepAll();
  EXPECT_GT(listener.parts.size(), 1u);
  EXPECT_EQ(listener.parts.back(), Part(total, total));
  EXPECT_EQ(listener.text, expected);
}

TEST_F(QueryProgressTest, PositionsThatAnEarlierQueryLeftCount) {
  const SessionPtr session = NewSession(model_);
  RunQuery(session.get(), {.prompt = "Lily went to the park.", .limit = 10});
  const size_t before = Facts(session.get()).position;
  PartListener listener;
  ASSERT_EQ(Start(session.get(), listener, {.prompt = " Then she", .limit = 2}), 0);
  StepAll();
  const size_t total = before + 1 + CountTokens(model_, " Then she", 0);
  EXPECT_EQ(listener.parts, std::vector<Part>{Part(total, total)});
  const clamma_query_facts_t facts = QueryFacts(session.get());
  EXPECT_EQ(facts.prompt_tokens, total);
  EXPECT_EQ(facts.cached_tokens, before);
  EXPECT_EQ(facts.generated_tokens, 2u);
}

TEST_F(QueryProgressTest, NonZeroReturnCancelsAndLeavesTheContextAsItWas) {
  const std::string prompt = LongPrompt();
  for (const size_t which : {size_t{1}, size_t{2}, SIZE_MAX}) {  // SIZE_MAX: the last part
    SCOPED_TRACE(which);
    const SessionPtr session = NewSession(model_);
    PartListener listener;
    listener.on_part = [&] {
      const auto [processed, total] = listener.parts.back();
      return listener.parts.size() == which || processed == total ? 7 : 0;
    };
    ASSERT_EQ(Start(session.get(), listener, {.prompt = prompt.c_str(), .limit = 8}), 0);
    StepAll();
    EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
    EXPECT_EQ(listener.pieces, 0u);
    EXPECT_TRUE(which == SIZE_MAX || listener.parts.size() == which) << listener.parts.size();
    EXPECT_EQ(Facts(session.get()).position, 0u);
    EXPECT_EQ(RunQuery(session.get(), {.prompt = "Lily", .limit = 8}).text,
              RunFresh(model_, {.prompt = "Lily", .limit = 8}).text);
  }
}

TEST_F(QueryProgressTest, CallbackMayCancelAndDestroy) {
  const std::string prompt = LongPrompt();
  {
    const SessionPtr session = NewSession(model_);
    PartListener listener;
    listener.on_part = [&] {
      clamma_sessions_query_cancel(session.get());
      return 0;
    };
    ASSERT_EQ(Start(session.get(), listener, {.prompt = prompt.c_str()}), 0);
    EXPECT_EQ(StepAll(), 1u);
    EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  }
  txf_session* const session = clamma_session_construct(model_.get());
  PartListener listener;
  listener.on_part = [&] {
    clamma_session_destroy(session);
    return 0;
  };
  ASSERT_EQ(Start(session, listener, {.prompt = prompt.c_str()}), 0);
  EXPECT_EQ(StepAll(), 1u);
  EXPECT_EQ(listener.parts.size(), 1u);
  EXPECT_EQ(listener.ends.size(), 0u);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(QueryProgressTest, AQueryThatOnlyContinuesIsToldOnce) {
  const SessionPtr session = NewSession(model_);
  RunQuery(session.get(), {.limit = 10});
  const size_t position = Facts(session.get()).position;
  PartListener listener;
  ASSERT_EQ(Start(session.get(), listener, {.prompt = nullptr, .limit = 5}), 0);
  StepAll();
  EXPECT_EQ(listener.parts, std::vector<Part>{Part(position + 1, position + 1)});
}

// ---- Facts ----

TEST_F(QueryProgressTest, SecondsOfThePhasesAddUpToThoseOfTheQuery) {
  const std::string prompt = LongPrompt();
  const SessionPtr session = NewSession(model_);
  const clamma_query_facts_t none = QueryFacts(session.get());
  EXPECT_EQ(none.prompt_tokens + none.generated_tokens, 0u);
  EXPECT_EQ(none.waiting_seconds + none.prompt_seconds + none.generation_seconds, 0.0);

  Listener listener;
  const Clock::time_point start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = prompt.c_str(), .limit = 30}), 0);
  const double started = seconds();
  while (seconds() < started + 0.02) continue;
  clamma_query_facts_t facts = QueryFacts(session.get());
  EXPECT_GE(facts.waiting_seconds, 0.02);
  EXPECT_LE(facts.waiting_seconds, seconds());
  EXPECT_EQ(facts.prompt_seconds + facts.generation_seconds, 0.0);
  EXPECT_EQ(facts.generated_tokens, 0u);

  ASSERT_EQ(clamma_sessions_step_next(), 1);
  facts = QueryFacts(session.get());
  EXPECT_GT(facts.prompt_seconds, 0.0);
  EXPECT_EQ(facts.generation_seconds, 0.0) << "the prompt takes more than one step";
  StepAll();
  const double all = seconds();
  facts = QueryFacts(session.get());
  EXPECT_EQ(facts.prompt_tokens, CountTokens(model_, prompt, 3u));
  EXPECT_EQ(facts.cached_tokens, 0u);
  EXPECT_EQ(facts.generated_tokens, 30u);
  EXPECT_GT(facts.generation_seconds, 0.0);
  const double sum = facts.waiting_seconds + facts.prompt_seconds + facts.generation_seconds;
  EXPECT_GE(sum, 0.02);
  EXPECT_LE(sum, all);
  // They stay once the query has ended.
  EXPECT_EQ(QueryFacts(session.get()).generation_seconds, facts.generation_seconds);
}

TEST_F(QueryProgressTest, FactsOfAQueryThatWasCancelledBeforeItWasServed) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = "Lily"}), 0);
  clamma_sessions_query_cancel(session.get());
  StepAll();
  const clamma_query_facts_t facts = QueryFacts(session.get());
  EXPECT_EQ(facts.prompt_tokens, CountTokens(model_, "Lily", 3u));
  EXPECT_GT(facts.waiting_seconds, 0.0);
  EXPECT_EQ(facts.prompt_seconds + facts.generation_seconds, 0.0);
}

TEST_F(QueryProgressTest, FactsAreThereInsideCallbacksAndGoneAfterARestore) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  std::vector<size_t> generated;
  listener.on_text = [&] {
    generated.push_back(QueryFacts(session.get()).generated_tokens);
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = "Lily", .limit = 3}), 0);
  StepAll();
  EXPECT_EQ(generated, (std::vector<size_t>{1, 2, 3}));
  ASSERT_EQ(Restore(session.get(), Save(session.get())), 0);
  const clamma_query_facts_t facts = QueryFacts(session.get());
  EXPECT_EQ(facts.prompt_tokens + facts.cached_tokens + facts.generated_tokens, 0u);
  EXPECT_EQ(facts.waiting_seconds + facts.prompt_seconds + facts.generation_seconds, 0.0);
}

}  // namespace
}  // namespace clamma_test
