// SPDX-License-Identifier: MIT
// One thread steps while others begin, save, restore and destroy sessions that share pages.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "platform/threads.h"
#include "prefix_fixture.h"

namespace clamma_test {
namespace {

// A session's greedy ids, recorded by the stepping thread.
struct Said {
  std::vector<tok_id_t> tokens;
  std::atomic<bool> ended{false};
};

bool Start(txf_session* session, Said* said) {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.limit = 4;
  info.rng_seed = 1;
  info.opaque_user_pointer = said;
  info.logprobs_cb = [](void* opaque, tok_id_t token, float, size_t, const tok_id_t*,
                        const float*) { static_cast<Said*>(opaque)->tokens.push_back(token); };
  info.done_cb = [](void* opaque, clamma_done_t) { static_cast<Said*>(opaque)->ended = true; };
  return clamma_session_query(session, &info) == 0;
}

TEST(PrefixCacheThreads, SessionsComeAndGoOnOtherThreadsThanTheStepping) {
  if (!clamma::kHasPrefixCache || !clamma::kHasThreads) GTEST_SKIP() << "a build without";
  PrefixModel files(Gemma2Spec());
  std::vector<std::vector<tok_id_t>> contexts;
  std::vector<std::vector<tok_id_t>> expected;
  for (uint32_t i = 0; i < 4; ++i) {
    contexts.push_back(RandomTokens(70, 1));
    const std::vector<tok_id_t> own = RandomTokens(40, i + 2);
    contexts.back().insert(contexts.back().end(), own.begin(), own.end());
    expected.emplace_back();
    for (const Step& step : files.Expected(contexts[i], 4)) expected[i].push_back(step.token);
  }
  const TxfPtr model = files.OpenModel(300000);
  std::atomic<bool> quit{false};
  std::thread stepping([&] {
    while (!quit) {
      if (clamma_sessions_step_next() == 0) std::this_thread::yield();
    }
  });
  const auto user = [&](uint32_t seed) {
    std::mt19937 random(seed);
    for (int round = 0; round < 25; ++round) {
      const size_t i = random() % contexts.size();
      Said said;
      const SessionPtr session = NewSession(model);
      clamma_session_set_tokens(session.get(), contexts[i].data(), contexts[i].size());
      ASSERT_TRUE(Start(session.get(), &said));
      if (random() % 4 == 0) {
        clamma_sessions_query_cancel(session.get());
        if (random() % 2 == 0) continue;  // destroys the session while its query runs
      }
      while (!said.ended) std::this_thread::yield();
      EXPECT_TRUE(std::equal(said.tokens.begin(), said.tokens.end(), expected[i].begin()));
      const Stream saved = Save(session.get());
      const SessionPtr restored = NewSession(model);
      EXPECT_EQ(Restore(restored.get(), saved), 0);
      EXPECT_EQ(Restore(session.get(), saved), 0) << "which lets go of what others have";
      // A query that is cancelled at once leaves no pages.
      EXPECT_TRUE(said.tokens.empty() || Facts(model).kv_pages > 0);
    }
  };
  std::vector<std::thread> users;
  for (uint32_t seed = 1; seed <= 3; ++seed) users.emplace_back(user, seed);
  for (std::thread& thread : users) thread.join();
  quit = true;
  stepping.join();
  EXPECT_GT(Facts(model).prefix_hits, 0u);
  EXPECT_EQ(Facts(model).kv_idle_bytes, Facts(model).kv_bytes);
}

}  // namespace
}  // namespace clamma_test
