// SPDX-License-Identifier: MIT
// Sessions that a query hands over by null_on_destroy: they are destroyed when the query ends.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "api_fixture.h"

namespace clamma_test {
namespace {

class HandedOverSession : public FloatModelTest {
 protected:
  // Constructs a session, and starts a query that hands it over.
  txf_session* Start(Listener& listener, const Ask& ask, void** pointer) {
    txf_session* const session = clamma_session_construct(model_.get());
    EXPECT_NE(session, nullptr);
    *pointer = session;
    Query(session, listener, ask, pointer);
    return session;
  }
  static int Query(txf_session* session, Listener& listener, const Ask& ask, void** pointer) {
    clamma_txf_info_t info = QueryInfo(listener, ask);
    info.null_on_destroy = pointer;
    const int refused = clamma_session_query(session, &info);
    EXPECT_EQ(refused, 0);
    return refused;
  }
};

TEST_F(HandedOverSession, GoesBehindDoneCb) {
  Listener listener;
  void* pointer = nullptr;
  txf_session* const session = Start(listener, {.limit = 5}, &pointer);
  listener.on_done = [&](clamma_done_t) {
    EXPECT_EQ(pointer, session) << "done_cb still has it";
    EXPECT_EQ(Facts(session).generated_tokens, 5u);
  };
  StepAll();
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(HandedOverSession, GoesHoweverItsQueryEnds) {
  Listener cancelled;
  Listener refusing;
  refusing.on_text = [] { return 1; };
  Listener full;
  std::array<void*, 3> pointers = {};
  clamma_sessions_query_cancel(Start(cancelled, {}, &pointers[0]));
  Start(refusing, {}, &pointers[1]);
  Start(full, {.limit = 0}, &pointers[2]);
  StepAll();
  EXPECT_EQ(cancelled.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  EXPECT_EQ(refusing.ends, std::vector<clamma_done_t>{CLAMMA_DONE_CANCELLED});
  EXPECT_EQ(full.ends.size(), 1u);
  for (const void* pointer : pointers) EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

// Programs for the original library do this.
TEST_F(HandedOverSession, AProgramThatConstructsOneForEachQueryGoesOnForEver) {
  clamma_txf_info_t few = ModelInfo(kFloatModel);
  few.max_sessions = 4;
  model_ = Open(few);
  const std::string expected = RunFresh(model_, {.limit = 3}).text;
  for (size_t i = 0; i < 20; ++i) {
    Listener listener;
    void* pointer = nullptr;
    ASSERT_NE(Start(listener, {.limit = 3}, &pointer), nullptr) << "session " << i;
    while (pointer != nullptr) ASSERT_EQ(clamma_sessions_step_next(), 1);
    EXPECT_EQ(listener.text, expected) << "session " << i;
  }
}

TEST_F(HandedOverSession, StaysWhereDoneCbStartsAnotherQuery) {
  const std::string whole = RunFresh(model_, {.limit = 20}).text;
  Listener listener;
  void* pointer = nullptr;
  txf_session* const session = Start(listener, {.limit = 10}, &pointer);
  listener.on_done = [&](clamma_done_t) {
    if (listener.ends.size() == 1) {
      Query(session, listener, {.prompt = nullptr, .limit = 10}, &pointer);
    }
  };
  StepAll();
  EXPECT_EQ(listener.ends.size(), 2u);
  EXPECT_EQ(listener.text, whole);
  EXPECT_EQ(pointer, nullptr) << "the second query handed it over as well";
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(HandedOverSession, IsTheCallersAgainByAQueryThatDoesNotHandItOver) {
  Listener listener;
  void* pointer = nullptr;
  txf_session* const session = Start(listener, {.limit = 10}, &pointer);
  listener.on_done = [&](clamma_done_t) {
    if (listener.ends.size() == 1) {
      EXPECT_EQ(StartQuery(session, listener, {.prompt = nullptr, .limit = 10}), 0);
    }
  };
  StepAll();
  EXPECT_EQ(listener.ends.size(), 2u);
  EXPECT_EQ(pointer, session) << "the second query has no pointer, and the first is over";
  EXPECT_EQ(Facts(model_).sessions, 1u);
  EXPECT_EQ(Facts(session).position, 20u);
  clamma_session_destroy(session);
}

TEST_F(HandedOverSession, WhoseNextQueryIsRefusedGoes) {
  Listener listener;
  void* pointer = nullptr;
  txf_session* const session = Start(listener, {.limit = 5}, &pointer);
  listener.on_done = [&](clamma_done_t) {
    clamma_txf_info_t info = QueryInfo(listener, {});
    info.temperature = -1;
    EXPECT_NE(clamma_session_query(session, &info), 0);
  };
  StepAll();
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(HandedOverSession, MayBeDestroyedBeforeTheEndByTheCaller) {
  Listener listener;
  void* pointer = nullptr;
  txf_session* const session = Start(listener, {.limit = 5}, &pointer);
  ASSERT_EQ(clamma_sessions_step_next(), 1);
  clamma_session_destroy(session);
  EXPECT_EQ(pointer, nullptr);
  listener.on_done = nullptr;
  EXPECT_EQ(StepAll(), 0u);
  EXPECT_FALSE(listener.ended());

  txf_session* const second = Start(listener, {.limit = 5}, &pointer);
  listener.on_done = [&](clamma_done_t) { clamma_session_destroy(second); };
  StepAll();
  EXPECT_EQ(listener.ends.size(), 1u);
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(HandedOverSession, OfARefusedQueryStaysTheCallers) {
  const SessionPtr session = NewSession(model_);
  void* pointer = session.get();
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 5});
  info.null_on_destroy = &pointer;
  info.min_p = 2;
  EXPECT_NE(clamma_session_query(session.get(), &info), 0);
  EXPECT_EQ(StepAll(), 0u);
  EXPECT_EQ(pointer, session.get());
  EXPECT_EQ(Facts(model_).sessions, 1u);
}

}  // namespace
}  // namespace clamma_test
