// SPDX-License-Identifier: MIT
// The thread rules of clamma.h, under load. These tests find most under ThreadSanitizer, but the
// texts must be exact in any case.
#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "allow_failed_allocations.h"
#include "api_fixture.h"
#include "checkpoint_bytes.h"
#include "kernel_fixture.h"
#include "platform/threads.h"

namespace clamma_test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kRound = std::chrono::milliseconds(200);

// Callbacks run on any thread that steps, so the text that they collect is read only after `done`.
struct SharedListener {
  std::string text;
  std::atomic<int> ends{0};
  std::atomic<int> why{-1};
  std::atomic<size_t> pieces{0};

  static int Issue(void* opaque, const char* token) {
    auto& self = *static_cast<SharedListener*>(opaque);
    self.text += token;
    ++self.pieces;
    return 0;
  }
  static void Done(void* opaque, clamma_done_t why) {
    auto& self = *static_cast<SharedListener*>(opaque);
    self.why = why;
    ++self.ends;
  }
};

int Start(txf_session* session, SharedListener* listener, const Ask& ask) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.issue_cb = SharedListener::Issue;
  info.done_cb = SharedListener::Done;
  info.opaque_user_pointer = listener;
  info.prompt = ask.prompt;
  info.limit = ask.limit;
  info.temperature = ask.temperature;
  info.topp = ask.topp;
  info.rng_seed = ask.seed;
  return clamma_session_query(session, &info);
}

void AwaitEnd(const SharedListener& listener) {
  while (listener.ends == 0) std::this_thread::yield();
}

// A thread that steps until it is told to stop, like that of a server.
class Stepper {
 public:
  Stepper() : thread_([this] { Run(); }) {}
  ~Stepper() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Run() {
    while (!stop_) {
      if (clamma_sessions_step_next() == 0) std::this_thread::yield();
    }
  }
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class SessionThreadsTest : public ModelTest {
 protected:
  void SetUp() override {
    if (!clamma::kHasThreads) GTEST_SKIP() << "a build without threads";
    ModelTest::SetUp();
    if (IsSkipped()) return;
    clamma_txf_info_t info = ModelInfo(kFloatModel);
    info.threads = 2;
    model_ = Open(info);
    ASSERT_NE(model_, nullptr);
    for (size_t seed = 0; seed < kSeeds; ++seed)
      expected_[seed] = RunFresh(model_, Story(seed)).text;
  }

  static constexpr size_t kSeeds = 4;
  static Ask Story(size_t seed) {
    return {.prompt = "Lily", .limit = 12, .temperature = 1, .topp = 0.9f, .seed = seed + 1};
  }

  // Constructs, queries, awaits and destroys sessions until the time `until`.
  void LiveLives(size_t seed, Clock::time_point until, std::atomic<size_t>* lives) {
    while (Clock::now() < until) {
      txf_session* session = clamma_session_construct(model_.get());
      ASSERT_NE(session, nullptr);
      SharedListener listener;
      ASSERT_EQ(Start(session, &listener, Story(seed % kSeeds)), 0);
      AwaitEnd(listener);
      EXPECT_EQ(listener.why, CLAMMA_DONE_LIMIT);
      EXPECT_EQ(listener.text, expected_[seed % kSeeds]);
      clamma_session_destroy(session);
      EXPECT_EQ(listener.ends, 1);
      ++*lives;
    }
  }

  // Calls LiveLives() in three threads for a round.
  void LiveSideBySide() {
    std::atomic<size_t> lives{0};
    std::vector<std::thread> threads;
    const auto until = Clock::now() + kRound;
    for (size_t i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] { LiveLives(i, until, &lives); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_GE(lives, 3u);
  }

  TxfPtr model_;
  std::array<std::string, kSeeds> expected_;
};

TEST_F(SessionThreadsTest, ThreadsLiveWholeSessionsWhileOneSteps) {
  const Stepper stepper;
  LiveSideBySide();
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(SessionThreadsTest, SeveralThreadsStep) {
  const Stepper first;
  const Stepper second;
  LiveSideBySide();
}

TEST_F(SessionThreadsTest, SessionsOfAnArenaLiveSideBySide) {
  std::vector<uint8_t> arena(size_t{4} << 20);
  clamma_txf_info_t info = ModelInfo(kFloatModel);
  info.threads = 2;
  info.arena = arena.data();
  info.arena_size = arena.size();
  model_ = Open(info);
  ASSERT_NE(model_, nullptr);
  RunFresh(model_, Story(0));
  const size_t in_use = Facts(model_).arena_in_use;
  {
    const Stepper stepper;
    LiveSideBySide();
  }
  EXPECT_EQ(Facts(model_).arena_in_use, in_use);
  model_.reset();
}

TEST_F(SessionThreadsTest, SessionsAreDestroyedInTheMiddleOfTheirQueries) {
  const Stepper stepper;
  std::vector<std::thread> threads;
  const auto until = Clock::now() + kRound;
  for (size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (size_t round = 0; Clock::now() < until; ++round) {
        txf_session* session = clamma_session_construct(model_.get());
        ASSERT_NE(session, nullptr);
        SharedListener listener;
        Ask ask = Story(i);
        ask.limit = 0;
        ASSERT_EQ(Start(session, &listener, ask), 0);
        while (listener.ends == 0 && listener.pieces < round % 5) std::this_thread::yield();
        clamma_session_destroy(session);
        // After this, nothing may access the listener, which goes out of scope.
        EXPECT_LE(listener.ends, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

TEST_F(SessionThreadsTest, CancelStorms) {
  const Stepper stepper;
  const SessionPtr session = NewSession(model_);
  std::atomic<bool> stop{false};
  std::vector<std::thread> storm;
  for (int i = 0; i < 2; ++i) {
    storm.emplace_back([&] {
      while (!stop) {
        clamma_sessions_query_cancel(session.get());
        std::this_thread::yield();
      }
    });
  }
  const auto until = Clock::now() + kRound;
  size_t rounds = 0;
  for (; Clock::now() < until; ++rounds) {
    SharedListener listener;
    if (Start(session.get(), &listener, {.limit = 20}) != 0) break;  // the context is full
    AwaitEnd(listener);
    EXPECT_EQ(listener.ends, 1);
    EXPECT_TRUE(listener.why == CLAMMA_DONE_CANCELLED || listener.why == CLAMMA_DONE_LIMIT ||
                listener.why == CLAMMA_DONE_END_OF_TEXT || listener.why == CLAMMA_DONE_CONTEXT_FULL)
        << listener.why;
  }
  stop = true;
  for (std::thread& thread : storm) thread.join();
  EXPECT_GT(rounds, 0u);
}

TEST_F(SessionThreadsTest, CancelFromAnotherThreadLeavesTheOthersAlone) {
  const Stepper stepper;
  std::atomic<size_t> lives{0};
  const auto until = Clock::now() + kRound;
  size_t cancelled = 0;
  std::thread lively([&] { LiveLives(1, until, &lives); });
  while (Clock::now() < until) {
    const SessionPtr session = NewSession(model_);
    SharedListener listener;
    Ask ask = Story(0);
    ask.limit = 0;
    ASSERT_EQ(Start(session.get(), &listener, ask), 0);
    while (listener.pieces == 0) std::this_thread::yield();
    clamma_sessions_query_cancel(session.get());
    AwaitEnd(listener);
    // On a busy machine, a query may have ended before.
    if (listener.why == CLAMMA_DONE_CANCELLED) {
      ++cancelled;
    } else {
      EXPECT_TRUE(listener.why == CLAMMA_DONE_END_OF_TEXT ||
                  listener.why == CLAMMA_DONE_CONTEXT_FULL)
          << listener.why;
    }
  }
  lively.join();
  EXPECT_GT(cancelled, 0u);
}

TEST_F(SessionThreadsTest, ScoringAndFactsFromOtherThreadsWhileStepping) {
  const std::string text = "Once upon a time, there was a little girl.";
  clamma_score_t expected = {};
  ASSERT_EQ(clamma_score(model_.get(), text.data(), text.size(), &expected, nullptr, 0), 0);
  const SessionPtr watched = NewSession(model_);
  const Stepper stepper;
  std::atomic<size_t> lives{0};
  std::atomic<size_t> scores{0};
  const auto until = Clock::now() + kRound;
  std::vector<std::thread> threads;
  threads.emplace_back([&] { LiveLives(2, until, &lives); });
  threads.emplace_back([&] {
    while (Clock::now() < until) {
      clamma_score_t score = {};
      ASSERT_EQ(clamma_score(model_.get(), text.data(), text.size(), &score, nullptr, 0), 0);
      EXPECT_EQ(score.log_likelihood, expected.log_likelihood);
      ++scores;
    }
  });
  const clamma_text_t whole = {text.data(), text.size(), nullptr, 0};
  const std::vector<clamma_text_t> texts(20, whole);
  threads.emplace_back([&] {
    while (Clock::now() < until) {
      clamma_continuation_score_t both[20] = {};
      ASSERT_EQ(clamma_score_continuations(model_.get(), &whole, texts.data(), 20, nullptr, nullptr,
                                           both),
                0);
      std::vector<float> embeddings(20 * 64);
      ASSERT_EQ(clamma_embed(model_.get(), texts.data(), 20, 0, nullptr, nullptr, embeddings.data(),
                             embeddings.size(), nullptr),
                0);
      EXPECT_EQ(both[0].log_likelihood, both[19].log_likelihood);
      EXPECT_TRUE(std::equal(embeddings.begin(), embeddings.begin() + 64, embeddings.end() - 64));
    }
  });
  threads.emplace_back([&] {
    while (Clock::now() < until) {
      EXPECT_LE(Facts(watched.get()).position, 512u);
      clamma_query_facts_t facts = {};
      EXPECT_EQ(clamma_query_facts(watched.get(), &facts), 0);
      EXPECT_GE(Facts(model_).sessions, 1u);
      size_t count = 0;
      EXPECT_EQ(clamma_encode(model_.get(), text.data(), text.size(), 0, nullptr, 0, &count), 0);
      EXPECT_GT(count, 0u);
    }
  });
  SharedListener listener;
  Ask ask = Story(3);
  ask.limit = 0;
  ASSERT_EQ(Start(watched.get(), &listener, ask), 0);
  AwaitEnd(listener);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(scores, 0u);
  EXPECT_GT(lives, 0u);
  EXPECT_EQ(listener.text.substr(0, expected_[3].size()), expected_[3]);
}

// The query is cancelled before its first step, so that its start is concurrent with the facts.
TEST_F(SessionThreadsTest, FactsOfASessionWhileAnotherThreadQueriesIt) {
  const SessionPtr session = NewSession(model_);
  std::atomic<bool> stop{false};
  std::thread watcher([&] {
    while (!stop) {
      EXPECT_EQ(Facts(session.get()).position, 0u);
      EXPECT_GT(Facts(session.get()).memory_bytes_at_full_context, 0u);
    }
  });
  const auto until = Clock::now() + kRound;
  while (Clock::now() < until) {
    SharedListener listener;
    ASSERT_EQ(Start(session.get(), &listener, {.prompt = "Lily", .limit = 2}), 0);
    clamma_sessions_query_cancel(session.get());
    StepAll();
    EXPECT_EQ(listener.ends, 1);
    EXPECT_EQ(listener.why, CLAMMA_DONE_CANCELLED);
  }
  stop = true;
  watcher.join();
}

TEST_F(SessionThreadsTest, TwoThreadsQueryOneSessionAndOneIsRefused) {
  const Stepper stepper;
  const SessionPtr session = NewSession(model_);
  std::atomic<size_t> started{0};
  std::atomic<size_t> ended{0};
  std::vector<std::thread> threads;
  const auto until = Clock::now() + kRound;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (Clock::now() < until) {
        SharedListener listener;
        if (Start(session.get(), &listener, {.prompt = nullptr, .limit = 1}) != 0) {
          std::this_thread::yield();
          continue;
        }
        ++started;
        AwaitEnd(listener);
        ++ended;
        EXPECT_LE(listener.pieces, 1u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(started, 0u);
  EXPECT_EQ(started, ended);
}

TEST_F(SessionThreadsTest, TransformersComeAndGoWhileOthersStep) {
  const Stepper stepper;
  std::atomic<size_t> lives{0};
  const auto until = Clock::now() + kRound;
  std::thread lively([&] { LiveLives(0, until, &lives); });
  size_t rounds = 0;
  while (Clock::now() < until) {
    clamma_txf_info_t info = ModelInfo(kQ80Model);
    info.threads = 1 + static_cast<unsigned>(rounds % 3);
    txf* other = clamma_txf_construct(&info);
    ASSERT_NE(other, nullptr);
    SharedListener listeners[2];
    for (SharedListener& listener : listeners) {
      txf_session* session = clamma_session_construct(other);
      ASSERT_NE(session, nullptr);
      ASSERT_EQ(Start(session, &listener, {.limit = 0}), 0);
    }
    while (listeners[0].pieces < rounds % 4) std::this_thread::yield();
    clamma_txf_destroy(other);
    ++rounds;
  }
  lively.join();
  EXPECT_GT(rounds, 0u);
}

// Callbacks call the library on a thread that has constructed none of the objects.
TEST_F(SessionThreadsTest, CallbacksDestroyAndQueryOnTheSteppingThread) {
  const Stepper stepper;
  std::atomic<size_t> lives{0};
  const auto until = Clock::now() + kRound;
  std::thread lively([&] { LiveLives(2, until, &lives); });
  while (Clock::now() < until) {
    struct Relay {
      txf_session* session = nullptr;
      int queries = 0;
      std::atomic<bool> finished{false};
      clamma_txf_info_t info = {};
      static void Done(void* opaque, clamma_done_t) {
        auto& self = *static_cast<Relay*>(opaque);
        if (++self.queries < 3 && clamma_session_query(self.session, &self.info) == 0) return;
        clamma_session_destroy(self.session);
        self.finished = true;
      }
    } relay;
    relay.session = clamma_session_construct(model_.get());
    ASSERT_NE(relay.session, nullptr);
    relay.info.clamma_api_version = CLAMMA_API_VERSION;
    relay.info.done_cb = Relay::Done;
    relay.info.opaque_user_pointer = &relay;
    relay.info.prompt = "";
    relay.info.limit = 2;
    ASSERT_EQ(clamma_session_query(relay.session, &relay.info), 0);
    while (!relay.finished) std::this_thread::yield();
    EXPECT_EQ(relay.queries, 3);
  }
  lively.join();
  EXPECT_EQ(Facts(model_).sessions, 0u);
}

#ifndef CLAMMA_TESTS_SANITIZED  // their frames are larger
// The whole life of a transformer, on the calling thread.
struct Life {
  clamma_txf_info_t info;
  std::string text;
  int result = -1;

  void Live() { result = Try(); }
  int Try() {
    char desc[512] = "";
    info.desc = desc;
    info.desc_max = sizeof(desc);
    const TxfPtr model(clamma_txf_construct(&info));
    if (model == nullptr) return 1;
    const char prompt[] =
        "Once upon a time, there was a little girl named Lily. She loved to play.";
    const SessionPtr session(clamma_session_construct(model.get()));
    SharedListener listener;
    const Ask ask = {prompt, nullptr, 30, 1, 0.9f, 3};
    if (Start(session.get(), &listener, ask) != 0) return 2;
    while (clamma_sessions_step_next() != 0) continue;
    text = listener.text;
    clamma_score_t score = {};
    if (clamma_score(model.get(), prompt, std::strlen(prompt), &score, nullptr, 0) != 0) return 3;
    Stream saved;
    if (clamma_session_save(session.get(), Stream::Write, &saved) != 0) return 4;
    if (clamma_session_restore(session.get(), Stream::Read, &saved) != 0) return 5;
    const tok_id_t token = 5;
    return clamma_session_set_tokens(session.get(), &token, 1) == 0 ? 0 : 6;
  }
};

void LiveOnASmallStack(Life* life) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  constexpr size_t kOfTheThreadItself = 8192;  // the C library's data on the stack
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 65536 + kOfTheThreadItself), 0);
  pthread_t thread;
  const auto run = [](void* opaque) -> void* {
    static_cast<Life*>(opaque)->Live();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, life), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST_F(SessionThreadsTest, StackOf64KBIsEnough) {
  // In some kernel tables, groups of 128 need the largest stack, as the sums of a group's tiles are
  // kept beside those of all groups. In others, it is groups of 64, or wide rows of floats.
  HeapCopy of_64(MakeModel({2, 128, 192, 2, 4, 2, 512, 128, true, 64}, 1));
  HeapCopy of_128(MakeModel({2, 128, 256, 2, 4, 2, 512, 128, true, 128}, 1));
  HeapCopy wide(MakeModel({0, 256, 768, 2, 4, 2, 512, 128, true, 0}, 1));
  clamma_txf_info_t infos[] = {ModelInfo(kFloatModel), ModelInfo(kQ80Model), ModelInfo(kQ80Model),
                               ModelInfo(kQ80Model), ModelInfo(kFloatModel)};
  of_64.BecomeModel(&infos[2]);
  of_128.BecomeModel(&infos[3]);
  wide.BecomeModel(&infos[4]);
  CpuChoice choice;
  for (const clamma::Kernels* table : Tables()) {
    choice.Set(table->name);
    for (const clamma_txf_info_t& info : infos) {
      Life expected = {info, "", -1};
      expected.Live();
      ASSERT_EQ(expected.result, 0) << table->name;
      Life life = {info, "", -1};
      LiveOnASmallStack(&life);
      EXPECT_EQ(life.result, 0) << table->name;
      EXPECT_EQ(life.text, expected.text) << table->name;
    }
  }
}
#endif

}  // namespace
}  // namespace clamma_test
