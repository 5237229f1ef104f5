// SPDX-License-Identifier: MIT
// Steps that do not end normally: callbacks that throw, call longjmp() or end their thread, and
// threads that are cancelled. Other threads and sessions continue in each case.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <csetjmp>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "api_fixture.h"
#include "platform/threads.h"

// On these systems, the end of a step is detected while its stack is unwound. On others, exceptions
// cannot pass through the library.
#if defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__))
#define CLAMMA_NOTICES_UNWINDING 1
#endif

namespace clamma_test {
namespace {

class LeftCallback : public FloatModelTest {
 protected:
  void SetUp() override {
    if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
    FloatModelTest::SetUp();
    if (IsSkipped()) return;
    whole_ = RunFresh(model_, {.limit = 20}).text;
  }

  // Returns a session whose callback calls leave(), which does not return, at the fourth piece.
  txf_session* StartLeaving(Listener& listener, std::function<void()> leave,
                            void** null_on_destroy = nullptr) {
    txf_session* const session = clamma_session_construct(model_.get());
    listener.on_text = [&listener, leave = std::move(leave)] {
      if (listener.pieces == 4) leave();
      return 0;
    };
    clamma_txf_info_t info = QueryInfo(listener, {.limit = 20});
    if (null_on_destroy != nullptr) *null_on_destroy = session;
    info.null_on_destroy = null_on_destroy;
    EXPECT_EQ(clamma_session_query(session, &info), 0);
    return session;
  }

  // Expects that the session's query has ended, and that the next one continues its text.
  void ExpectCancelled(txf_session* session, Listener& listener) {
    EXPECT_FALSE(listener.ended()) << "done_cb is not called";
    EXPECT_EQ(listener.pieces, 4u);
    listener.on_text = nullptr;
    const size_t left = 20 - Facts(session).generated_tokens;
    const Outcome rest = RunQuery(session, {.prompt = nullptr, .limit = left});
    EXPECT_EQ(listener.text + rest.text, whole_);
    EXPECT_EQ(rest.why, CLAMMA_DONE_LIMIT);
  }

  std::string TextFromAnotherThread() {
    std::string text;
    std::thread([&] { text = RunFresh(model_, {.limit = 20}).text; }).join();
    return text;
  }

  std::string whole_;
};

// Steps in a frame well below its caller's, so that functions that the caller calls later overwrite
// the frame of the step. Returns 1 if a callback called longjmp().
std::jmp_buf before_step;
[[noreturn]] void Jump() { std::longjmp(before_step, 1); }
__attribute__((noinline)) int StepUntilJump() {
  constexpr size_t kRoom = 4096;
  static_cast<volatile char*>(__builtin_alloca(kRoom))[0] = 1;
  if (setjmp(before_step) != 0) return 1;
  while (clamma_sessions_step_next() != 0) continue;
  return 0;
}

// Steps further down the stack than the step that was left, whose frame it overwrites.
__attribute__((noinline)) int StepFromFurtherDown() {
  // This is not an array, as AddressSanitizer would place it outside the stack.
  constexpr size_t kRoom = 32768;
  volatile char* const room = static_cast<volatile char*>(__builtin_alloca(kRoom));
  for (size_t i = 0; i < kRoom; ++i) room[i] = 1;
  const int served = clamma_sessions_step_next();
  return served + (room[77] - 1);
}

TEST_F(LeftCallback, ByLongjmpEndsItsStepAtTheThreadsNextCall) {
  Listener listener;
  txf_session* const session = StartLeaving(listener, Jump);
  ASSERT_EQ(StepUntilJump(), 1);
  EXPECT_EQ(clamma_sessions_step_next(), 0) << "its query is over";
  ExpectCancelled(session, listener);
  EXPECT_EQ(TextFromAnotherThread(), whole_);
}

TEST_F(LeftCallback, ByLongjmpIsNoticedFromFurtherDownTheStack) {
  Listener listener;
  txf_session* const session = StartLeaving(listener, Jump);
  ASSERT_EQ(StepUntilJump(), 1);
  EXPECT_EQ(StepFromFurtherDown(), 0);
  ExpectCancelled(session, listener);
}

TEST_F(LeftCallback, ByLongjmpFreesThoseWhoWaitOnceTheThreadCalls) {
  Listener listener;
  Listener other;
  txf_session* const session = StartLeaving(listener, Jump);
  const SessionPtr second = NewSession(model_);
  ASSERT_EQ(StepUntilJump(), 1);
  ASSERT_EQ(StartQuery(second.get(), other, {.limit = 20}), 0);
  std::thread waiting([&] {
    while (!other.ended()) clamma_sessions_step_next();
  });
  clamma_sessions_step_next();
  waiting.join();
  EXPECT_EQ(other.text, whole_);
  ExpectCancelled(session, listener);
}

TEST_F(LeftCallback, ByLongjmpHandsItsSessionOver) {
  Listener listener;
  void* pointer = nullptr;
  StartLeaving(listener, Jump, &pointer);
  ASSERT_EQ(StepUntilJump(), 1);
  EXPECT_EQ(clamma_sessions_step_next(), 0);
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

// A call from deep inside a callback is not mistaken for a call after the step was left.
TEST_F(LeftCallback, IsNotTakenForOneThatCallsFromDeepDown) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    EXPECT_EQ(StepFromFurtherDown(), 0);
    EXPECT_EQ(Facts(session.get()).generated_tokens, listener.pieces);
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 20}), 0);
  StepAll();
  EXPECT_EQ(listener.text, whole_);
  EXPECT_EQ(listener.ends.size(), 1u);
}

#ifdef CLAMMA_NOTICES_UNWINDING

[[noreturn]] void Throw() { throw std::runtime_error("out of a callback"); }

// Steps until a step throws an exception; returns its text.
std::string StepUntilException() {
  try {
    StepAll();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

TEST_F(LeftCallback, ByAnExceptionFreesOtherThreadsAtOnce) {
  Listener listener;
  txf_session* const session = StartLeaving(listener, Throw);
  ASSERT_EQ(StepUntilException(), "out of a callback");
  // Another thread calls the library before this one does.
  EXPECT_EQ(TextFromAnotherThread(), whole_);
  ExpectCancelled(session, listener);
}

TEST_F(LeftCallback, ByAnExceptionLeavesOtherSessionsAlone) {
  Listener listener;
  Listener other;
  txf_session* const session = StartLeaving(listener, Throw);
  const SessionPtr second = NewSession(model_);
  ASSERT_EQ(StartQuery(second.get(), other, {.limit = 20}), 0);
  ASSERT_EQ(StepUntilException(), "out of a callback");
  StepAll();
  EXPECT_EQ(other.text, whole_);
  EXPECT_EQ(other.ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
  ExpectCancelled(session, listener);
}

TEST_F(LeftCallback, ByAnExceptionHandsItsSessionOver) {
  Listener listener;
  void* pointer = nullptr;
  StartLeaving(listener, Throw, &pointer);
  ASSERT_EQ(StepUntilException(), "out of a callback");
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(LeftCallback, ByAnExceptionOutOfDoneCbIsTheEndAllTheSame) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_done = [](clamma_done_t) { Throw(); };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 5}), 0);
  ASSERT_EQ(StepUntilException(), "out of a callback");
  EXPECT_EQ(TextFromAnotherThread(), whole_);
  listener.on_done = nullptr;
  ASSERT_EQ(StartQuery(session.get(), listener, {.prompt = nullptr, .limit = 15}), 0);
  StepAll();
  EXPECT_EQ(listener.text, whole_);
  EXPECT_EQ(listener.ends.size(), 2u);
}

TEST_F(LeftCallback, ByAnExceptionOutOfLogprobsCbLeavesTheContextWhole) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 20});
  info.logprobs_cb = [](void*, tok_id_t, float, size_t, const tok_id_t*, const float*) { Throw(); };
  ASSERT_EQ(clamma_session_query(session.get(), &info), 0);
  ASSERT_EQ(StepUntilException(), "out of a callback");
  EXPECT_EQ(TextFromAnotherThread(), whole_);
  EXPECT_EQ(Facts(session.get()).generated_tokens, 0u);
  EXPECT_EQ(RunQuery(session.get(), {.limit = 20}).text, whole_) << "as if nothing had been asked";
}

TEST_F(LeftCallback, ByAnExceptionAfterDestroyingItsTransformerFreesThat) {
  TxfPtr other = Open(ModelInfo(kFloatModel));
  const SessionPtr session = NewSession(model_);
  Listener listener;
  txf_session* const doomed = clamma_session_construct(other.get());
  void* pointer = doomed;
  listener.on_text = [&] {
    other.reset();
    Throw();
    return 0;
  };
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 20});
  info.null_on_destroy = &pointer;
  ASSERT_EQ(clamma_session_query(doomed, &info), 0);
  ASSERT_EQ(StepUntilException(), "out of a callback");
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(RunQuery(session.get(), {.limit = 20}).text, whole_);
}

#ifdef __GLIBC__  // which unwinds the stack of a thread that ends
TEST_F(LeftCallback, ByTheEndOfItsThreadFreesOtherThreads) {
  Listener listener;
  txf_session* const session = StartLeaving(listener, [] { pthread_exit(nullptr); });
  pthread_t thread;
  const auto body = [](void*) -> void* {
    StepAll();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, nullptr, body, nullptr), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  EXPECT_EQ(TextFromAnotherThread(), whole_);
  ExpectCancelled(session, listener);
}
#endif

#endif  // CLAMMA_NOTICES_UNWINDING

#ifdef PTHREAD_CANCEL_DISABLE

class CancelledThread : public LeftCallback {
 protected:
  // Steps until its thread is cancelled.
  static void* StepForEver(void* cleaned_up) {
    pthread_cleanup_push([](void* flag) { *static_cast<std::atomic<bool>*>(flag) = true; },
                         cleaned_up);
    for (;;) {
      clamma_sessions_step_next();
      pthread_testcancel();
    }
    pthread_cleanup_pop(0);
    return nullptr;
  }

  static void ExpectWasCancelled(pthread_t thread) {
    void* result = nullptr;
    ASSERT_EQ(pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED);
  }
};

TEST_F(CancelledThread, ThatWaitsForItsTurnLeavesNothingLocked) {
  std::atomic<bool> inside{false};
  std::atomic<bool> go{false};
  std::atomic<bool> cleaned_up{false};
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    inside = true;
    while (!go) std::this_thread::yield();
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 20}), 0);
  std::thread stepping([&] {
    while (!listener.ended()) clamma_sessions_step_next();
  });
  while (!inside) std::this_thread::yield();
  pthread_t waiting;
  ASSERT_EQ(pthread_create(&waiting, nullptr, StepForEver, &cleaned_up), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_EQ(pthread_cancel(waiting), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  go = true;
  ExpectWasCancelled(waiting);
  EXPECT_TRUE(cleaned_up);
  stepping.join();
  EXPECT_EQ(listener.text, whole_);
  EXPECT_EQ(RunFresh(model_, {.limit = 20}).text, whole_);
}

TEST_F(CancelledThread, InsideACallbackEndsItsStepFirst) {
  std::atomic<bool> inside{false};
  std::atomic<bool> go{false};
  std::atomic<bool> cleaned_up{false};
  const SessionPtr session = NewSession(model_);
  Listener listener;
  listener.on_text = [&] {
    inside = true;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // may be cancelled here
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 20}), 0);
  pthread_t stepping;
  ASSERT_EQ(pthread_create(&stepping, nullptr, StepForEver, &cleaned_up), 0);
  while (!inside) std::this_thread::yield();
  ASSERT_EQ(pthread_cancel(stepping), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(cleaned_up);
  go = true;
  ExpectWasCancelled(stepping);
  EXPECT_TRUE(cleaned_up);
  EXPECT_EQ(listener.pieces, 1u);
  StepAll();
  EXPECT_EQ(listener.text, whole_);
  EXPECT_EQ(listener.ends, std::vector<clamma_done_t>{CLAMMA_DONE_LIMIT});
}

#endif  // PTHREAD_CANCEL_DISABLE

}  // namespace
}  // namespace clamma_test
