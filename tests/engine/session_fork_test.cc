// SPDX-License-Identifier: MIT
// What a child of fork() may do if other threads of its parent were in the library: see clamma.h,
// "Fork".
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "api_fixture.h"
#include "platform/features.h"
#include "platform/threads.h"

namespace clamma_test {
namespace {

constexpr unsigned kSeconds = 120;  // after this time, a child is considered to hang
constexpr int kRight = 0;

// Runs body() -> exit code in a child, and returns how the child ended.
std::string InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(kSeconds);
    _exit(body());
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) {
    return WTERMSIG(status) == SIGALRM ? "hangs" : "signal " + std::to_string(WTERMSIG(status));
  }
  return WEXITSTATUS(status) == kRight ? "right" : "check " + std::to_string(WEXITSTATUS(status));
}

std::string TextOf(txf_session* session, size_t limit) {
  Listener listener;
  if (session == nullptr || StartQuery(session, listener, {.limit = limit}) != 0) return "refused";
  while (!listener.ended()) {
    if (clamma_sessions_step_next() == 0) return "no step";
  }
  return listener.text;
}

class SessionForkTest : public FloatModelTest {
 protected:
  void SetUp() override {
    if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
    FloatModelTest::SetUp();
    if (IsSkipped()) return;
    expected_ = RunFresh(model_, {.limit = 12}).text;
  }
  std::string expected_;
};

// A thread that stays inside a callback of a step until this object is destroyed.
class BlockedStep {
 public:
  explicit BlockedStep(txf_session* session, void** null_on_destroy = nullptr) {
    listener_.on_text = [this] {
      inside_ = true;
      while (!go_) std::this_thread::yield();
      return 1;
    };
    clamma_txf_info_t info = QueryInfo(listener_, {.limit = 5});
    info.null_on_destroy = null_on_destroy;
    EXPECT_EQ(clamma_session_query(session, &info), 0);
    thread_ = std::thread([] { StepAll(); });
    while (!inside_) std::this_thread::yield();
  }
  ~BlockedStep() {
    go_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> inside_{false};
  std::atomic<bool> go_{false};
  Listener listener_;
  std::thread thread_;
};

TEST_F(SessionForkTest, ChildDestroysWhatAnotherThreadIsAtWorkOn) {
  txf_session* const session = clamma_session_construct(model_.get());
  txf_session* const idle = clamma_session_construct(model_.get());
  txf_session* const queued = clamma_session_construct(model_.get());
  void* pointer = session;
  void* queued_pointer = queued;
  Listener waiting;  // its query waits for the blocked thread
  const BlockedStep step(session, &pointer);
  clamma_txf_info_t info = QueryInfo(waiting, {.limit = 5});
  info.null_on_destroy = &queued_pointer;
  ASSERT_EQ(clamma_session_query(queued, &info), 0);
  EXPECT_EQ(InChild([&] {
              clamma_session_destroy(session);
              if (pointer != nullptr) return 1;
              clamma_session_destroy(idle);
              clamma_txf_destroy(model_.get());
              if (queued_pointer != nullptr) return 2;
              return clamma_sessions_step_next() == 0 && !waiting.ended() ? kRight : 3;
            }),
            "right");
  EXPECT_EQ(pointer, session) << "the parent's is as it was";
  clamma_sessions_query_cancel(queued);
}

TEST_F(SessionForkTest, ChildConstructsAndGenerates) {
  const SessionPtr session = NewSession(model_);
  const BlockedStep step(session.get());
  EXPECT_EQ(InChild([&] {
              const TxfPtr own = Open(ModelInfo(kFloatModel));
              if (TextOf(NewSession(own).get(), 12) != expected_) return 1;
              const TxfPtr other = Open(ModelInfo(kQ80Model));
              return TextOf(NewSession(other).get(), 12).size() > 5 ? kRight : 2;
            }),
            "right");
}

TEST_F(SessionForkTest, ChildUsesWhatNobodyIsAtWorkOnByOneThread) {
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.threads = 3;
  const TxfPtr other = Open(info);
  const SessionPtr of_other = NewSession(other);
  const SessionPtr session = NewSession(model_);
  const BlockedStep step(session.get());
  EXPECT_EQ(InChild([&] {
              if (TextOf(of_other.get(), 12) != expected_) return 1;
              if (TextOf(NewSession(other).get(), 12) != expected_) return 2;
              return Facts(other).threads == 1 ? kRight : 3;
            }),
            "right");
}

TEST_F(SessionForkTest, ChildIsToldWhatItCannotUse) {
  LogCollector log;
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.log_cb = LogCollector::Log;
  info.opaque_user_pointer = &log;
  const TxfPtr model = Open(info);
  const SessionPtr session = NewSession(model);
  const SessionPtr idle = NewSession(model);
  const BlockedStep step(session.get());
  EXPECT_EQ(InChild([&] {
              const std::string reason =
                  "stories260K.bin was at work in another thread when this process was forked: it "
                  "can only be destroyed";
              size_t told = 0;
              const auto refuses = [&](bool failed) {
                return failed && log.lines.size() == ++told && log.last() == reason;
              };
              Listener listener;
              if (!refuses(StartQuery(idle.get(), listener, {.limit = 1}) != 0)) return 1;
              if (!refuses(StartQuery(session.get(), listener, {.limit = 1}) != 0)) return 2;
              if (!refuses(clamma_session_construct(model.get()) == nullptr)) return 3;
              clamma_score_t score = {};
              const int failed = clamma_score(model.get(), "Lily went", 9, &score, nullptr, 0);
              if (!refuses(failed != 0)) return 4;
              const clamma_text_t text = {"Lily went", 9, nullptr, 0};
              float embedding[64];
              const int embedded =
                  clamma_embed(model.get(), &text, 1, 0, nullptr, nullptr, embedding, 64, nullptr);
              if (!refuses(embedded != 0)) return 8;
              const tok_id_t token = 5;
              if (!refuses(clamma_session_set_tokens(idle.get(), &token, 1) != 0)) return 5;
              Stream stream;
              if (!refuses(clamma_session_save(idle.get(), Stream::Write, &stream) != 0)) return 6;
              size_t count = 0;
              const int encoded = clamma_encode(model.get(), "Lily", 4, 0, nullptr, 0, &count);
              return encoded == 0 && count > 0 ? kRight : 7;
            }),
            "right");
}

TEST_F(SessionForkTest, ChildGeneratesWithoutADraftTransformerThatIsAtWork) {
  if (!clamma::kHasSpeculation) GTEST_SKIP() << "a build without drafts";
  const TxfPtr draft = Open(ModelInfo(kQ80Model));
  const SessionPtr blocked = NewSession(draft);
  const SessionPtr begun = NewSession(model_);
  const SessionPtr fresh = NewSession(model_);
  Listener listener;
  clamma_txf_info_t info = QueryInfo(listener, {.limit = 12});
  info.draft_txf = draft.get();
  info.draft_tokens = 4;
  ASSERT_EQ(clamma_session_query(begun.get(), &info), 0);
  const BlockedStep step(blocked.get());
  EXPECT_EQ(InChild([&] {
              StepAll();
              if (listener.text != expected_) return 1;
              char reason[256] = {};
              Listener other;
              clamma_txf_info_t refused = QueryInfo(other, {.limit = 12});
              refused.draft_txf = draft.get();
              refused.draft_tokens = 4;
              refused.desc = reason;
              refused.desc_max = sizeof(reason);
              if (clamma_session_query(fresh.get(), &refused) == 0) return 2;
              if (std::string(reason).find("can only be destroyed") == std::string::npos) return 3;
              return TextOf(fresh.get(), 12) == expected_ ? kRight : 4;
            }),
            "right");
  clamma_sessions_query_cancel(begun.get());
}

TEST_F(SessionForkTest, ChildIsNotHeldUpByThreadsThatWaitForTheirTurn) {
  const SessionPtr session = NewSession(model_);
  std::vector<std::thread> waiting;
  {
    const BlockedStep step(session.get());
    for (int i = 0; i < 3; ++i) waiting.emplace_back([] { clamma_sessions_step_next(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(InChild([&] {
                const TxfPtr own = Open(ModelInfo(kFloatModel));
                return TextOf(NewSession(own).get(), 12) == expected_ ? kRight : 1;
              }),
              "right");
  }
  for (std::thread& thread : waiting) thread.join();
}

TEST_F(SessionForkTest, ChildOfAForkInsideACallbackGoesOnWithItsStep) {
  const SessionPtr session = NewSession(model_);
  Listener listener;
  pid_t child = -1;
  listener.on_text = [&] {
    if (listener.pieces == 4) child = fork();
    return 0;
  };
  ASSERT_EQ(StartQuery(session.get(), listener, {.limit = 12}), 0);
  StepAll();
  if (child == 0) _exit(listener.text == expected_ && listener.ends.size() == 1 ? kRight : 1);
  EXPECT_EQ(listener.text, expected_);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// Forks happen at any moment of the other threads' work, which includes work in the arena.
TEST_F(SessionForkTest, ChildrenOfAnyMomentDestroyAndConstruct) {
  std::vector<uint8_t> arena(size_t{4} << 20);
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.arena = arena.data();
  info.arena_size = arena.size();
  TxfPtr in_arena = Open(info);
  std::atomic<bool> stop{false};
  std::atomic<size_t> lives{0};
  std::vector<std::thread> threads;
  for (TxfPtr* model : {&in_arena, &model_}) {
    threads.emplace_back([&, model] {
      while (!stop) {
        const SessionPtr session = NewSession(*model);
        Listener listener;
        EXPECT_EQ(StartQuery(session.get(), listener, {.limit = 12}), 0);
        while (!listener.ended()) clamma_sessions_step_next();
        ++lives;
      }
    });
  }
  while (lives < 2) std::this_thread::yield();
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(testing::Message() << "child " << round);
    EXPECT_EQ(InChild([&] {
                const TxfPtr own = Open(ModelInfo(kFloatModel));
                if (TextOf(NewSession(own).get(), 12) != expected_) return 1;
                clamma_txf_destroy(in_arena.get());
                clamma_txf_destroy(model_.get());
                return kRight;
              }),
              "right");
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace clamma_test
