// SPDX-License-Identifier: MIT
// Sessions that share pages in an arena: an arena that suffices without the cache suffices with it.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "prefix_fixture.h"

namespace clamma_test {
namespace {

class PrefixCacheArenaTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!clamma::kHasPrefixCache) GTEST_SKIP() << "a build without a prefix cache";
  }

  TxfPtr OpenIn(std::vector<uint8_t>& arena, uint64_t prefix_cache_bytes) const {
    clamma_txf_info_t info = files_.Info(prefix_cache_bytes);
    info.arena = arena.data();
    info.arena_size = arena.size();
    return Open(info);
  }

  PrefixModel files_{PlainSpec()};
};

constexpr size_t kPlenty = size_t{8} << 20;
constexpr size_t kPageBytes = 2 * 2 * kFamilyKv * 32 * sizeof(float);  // of two layers

TEST_F(PrefixCacheArenaTest, SessionsShareAndGiveBackWhatTheyDoNotNeed) {
  std::vector<uint8_t> arena(kPlenty);
  const TxfPtr model = OpenIn(arena, 0);
  const size_t empty = Facts(model).arena_in_use;
  const std::vector<tok_id_t> tokens = RandomTokens(640, 1);
  std::vector<Speaker> speakers(4);
  for (Speaker& speaker : speakers) speaker.Begin(model, tokens, 3);
  EXPECT_EQ(Facts(model).kv_pages, 4u * 21) << "a query begins with all that it may need";
  StepAll();
  EXPECT_EQ(Facts(model).kv_pages, 20u + 4);
  EXPECT_EQ(Facts(model).prefix_tokens_saved, 3u * 639);
  for (Speaker& speaker : speakers) {
    EXPECT_EQ(speaker.steps(), files_.Expected(tokens, 3));
    speaker.Destroy();
  }
  EXPECT_EQ(Facts(model).kv_pages, 0u);
  EXPECT_LT(Facts(model).arena_in_use, empty + 65536) << "the scores of a longer context";
}

// Sessions come and go, and each leaves more pages in the cache. The arena has room only for the
// sessions themselves.
TEST_F(PrefixCacheArenaTest, IdlePagesCountAsFree) {
  const auto live = [&](const TxfPtr& model) {
    for (uint32_t round = 0; round < 12; ++round) {
      Speaker a;
      Speaker b;
      ASSERT_TRUE(a.Begin(model, RandomTokens(200 + 60 * (round % 5), round), 4)) << round;
      StepAll();
      ASSERT_TRUE(b.Begin(model, RandomTokens(500 - 50 * (round % 4), round / 2), 4)) << round;
      StepAll();
      EXPECT_NE(a.why(), CLAMMA_DONE_ERROR);
      EXPECT_NE(b.why(), CLAMMA_DONE_ERROR);
    }
    const std::string text(300, 'a');
    size_t count = 0;
    EXPECT_EQ(clamma_encode(model.get(), text.data(), text.size(), 0, nullptr, 0, &count), 0);
  };
  std::vector<uint8_t> plenty(kPlenty);
  size_t peak = 0;
  {
    const TxfPtr model = OpenIn(plenty, 0);
    live(model);
    peak = Facts(model).arena_peak;
  }
  for (const uint64_t kept : {uint64_t{0}, uint64_t{100000}, UINT64_MAX}) {
    SCOPED_TRACE(kept);
    std::vector<uint8_t> arena(peak + 64 + (kept > 0 ? 2 * kPageBytes : 0));
    const TxfPtr model = OpenIn(arena, kept);
    ASSERT_NE(model, nullptr);
    live(model);
    EXPECT_EQ(Facts(model).kv_idle_bytes > 0, kept > 0);
  }
}

// The size that a refusal states also suffices if there are idle pages.
TEST_F(PrefixCacheArenaTest, FiguresOfRefusalsAreTrue) {
  char reason[512] = "";
  const auto live = [&](size_t size) {
    std::vector<uint8_t> arena(size);
    const TxfPtr model = OpenIn(arena, UINT64_MAX);
    for (uint32_t round = 0; round < 3; ++round) {
      Speaker speaker;
      speaker.Run(model, RandomTokens(300, round), 2);
    }
    const SessionPtr session = NewSession(model);
    const std::vector<tok_id_t> tokens = RandomTokens(1200, 7);
    if (clamma_session_set_tokens(session.get(), tokens.data(), tokens.size()) != 0) return false;
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.limit = 100;
    info.desc = reason;
    info.desc_max = sizeof(reason);
    const bool began = clamma_session_query(session.get(), &info) == 0;
    StepAll();
    return began;
  };
  std::vector<uint8_t> plenty(kPlenty);
  const size_t model_bytes = Facts(OpenIn(plenty, 0)).arena_peak;
  bool refused = false;
  for (size_t size = model_bytes + 300000; size < model_bytes + 600000; size += 50000) {
    if (live(size)) continue;
    refused = true;
    const size_t needed = static_cast<size_t>(
        std::stoull(std::string(reason).substr(std::string(reason).find("and ") + 4)));
    ASSERT_GT(needed, size) << reason;
    EXPECT_TRUE(live(needed)) << reason;
  }
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace clamma_test
