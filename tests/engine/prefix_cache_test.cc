// SPDX-License-Identifier: MIT
#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "prefix_fixture.h"

namespace clamma_test {
namespace {

class PrefixCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!clamma::kHasPrefixCache) GTEST_SKIP() << "a build without a prefix cache";
  }
  static uint64_t Saved(const TxfPtr& model) { return Facts(model).prefix_tokens_saved; }

  PrefixModel files_{PlainSpec()};
};

// 1,000 common tokens, then 20 tokens of the session.
std::vector<std::vector<tok_id_t>> CommonPrompts(size_t count) {
  std::vector<std::vector<tok_id_t>> prompts;
  for (size_t i = 0; i < count; ++i) {
    prompts.push_back(RandomTokens(1000, 1));
    const std::vector<tok_id_t> own = RandomTokens(20, 100 + static_cast<uint32_t>(i));
    prompts.back().push_back(static_cast<tok_id_t>(kFirstToken + i));
    prompts.back().insert(prompts.back().end(), own.begin(), own.end());
  }
  return prompts;
}

TEST_F(PrefixCacheTest, SixteenSessionsThatStartTogetherComputeTheirCommonPromptOnce) {
  const TxfPtr model = files_.OpenModel();
  const std::vector<std::vector<tok_id_t>> prompts = CommonPrompts(16);
  std::vector<Speaker> speakers(16);
  for (size_t i = 0; i < 16; ++i) speakers[i].Begin(model, prompts[i], 3);
  StepAll();
  const clamma_txf_facts_t facts = Facts(model);
  EXPECT_EQ(facts.prefix_tokens_saved, 15u * 1000);
  EXPECT_EQ(facts.prefix_hits, 16u) << "they take turns, so that each goes on from others";
  EXPECT_EQ(facts.kv_pages, 31u + 16) << "the common pages, and the last one of each session";
  EXPECT_EQ(facts.kv_idle_bytes, 0u);
  size_t cached = 0;
  for (size_t i = 0; i < 16; ++i) {
    cached += Facts(speakers[i].session()).cached_tokens;
    EXPECT_EQ(speakers[i].steps(), files_.Expected(prompts[i], 3)) << "session " << i;
  }
  EXPECT_EQ(cached, facts.prefix_tokens_saved);
}

TEST_F(PrefixCacheTest, AnotherGoesOnIfTheSessionThatComputesTheCommonPromptIsCancelled) {
  for (const bool destroys : {false, true}) {
    const TxfPtr model = files_.OpenModel();
    const std::vector<std::vector<tok_id_t>> prompts = CommonPrompts(16);
    std::vector<Speaker> speakers(16);
    for (size_t i = 0; i < 16; ++i) speakers[i].Begin(model, prompts[i], 3);
    // The first step computes the first chunk in the first session.
    ASSERT_EQ(clamma_sessions_step_next(), 1);
    const size_t chunk = Facts(speakers[0].session()).position;
    ASSERT_GE(chunk, 32u);
    ASSERT_LT(chunk, 900u);
    ASSERT_EQ(clamma_sessions_step_next(), 1);  // the second session has taken over the chunk
    if (destroys) {
      speakers[0].Destroy();
    } else {
      clamma_sessions_query_cancel(speakers[0].session());
    }
    StepAll();
    size_t cached = 0;
    for (size_t i = 1; i < 16; ++i) {
      cached += Facts(speakers[i].session()).cached_tokens;
      EXPECT_EQ(speakers[i].steps(), files_.Expected(prompts[i], 3)) << "session " << i;
    }
    EXPECT_EQ(cached, 14u * 1000 + chunk) << "of 15 sessions, one computes what was left";
  }
}

TEST_F(PrefixCacheTest, LaterSessionsGoOnFromWhatIsThere) {
  const TxfPtr model = files_.OpenModel();
  const std::vector<tok_id_t> first = RandomTokens(100, 1);
  Speaker a;
  a.Run(model, first, 5);
  // The same tokens, fewer tokens, and tokens that differ from the middle of a page on.
  for (const size_t same : {100u, 96u, 97u, 77u, 64u, 31u, 1u}) {
    std::vector<tok_id_t> tokens(first.begin(), first.begin() + static_cast<ptrdiff_t>(same));
    if (same < 100) tokens.push_back(OtherThan(first[same]));
    const uint64_t before = Saved(model);
    Speaker b;
    b.Run(model, tokens, 5);
    EXPECT_EQ(Saved(model) - before, tokens.size() - 1) << same << " tokens in common";
    EXPECT_EQ(b.steps(), files_.Expected(tokens, 5)) << same << " tokens in common";
  }
  EXPECT_EQ(Facts(model).kv_pages, 4u) << "those of the one session that is left";
}

TEST_F(PrefixCacheTest, NothingIsKeptAfterTheLastSessionUnlessAskedFor) {
  const TxfPtr model = files_.OpenModel();
  {
    Speaker a;
    a.Run(model, RandomTokens(100, 1), 5);
    EXPECT_EQ(Facts(model).kv_pages, 4u);
  }
  const clamma_txf_facts_t facts = Facts(model);
  EXPECT_EQ(facts.kv_pages, 0u);
  EXPECT_EQ(facts.kv_bytes, 0u);
  Speaker b;
  b.Run(model, RandomTokens(100, 1), 5);
  EXPECT_EQ(Saved(model), 0u);
}

TEST_F(PrefixCacheTest, SharedPagesCountOnce) {
  const TxfPtr model = files_.OpenModel();
  const std::vector<tok_id_t> tokens = RandomTokens(128, 1);
  Speaker a;
  a.Run(model, tokens, 2);
  const uint64_t alone = Facts(a.session()).memory_bytes;
  const clamma_txf_facts_t one = Facts(model);
  EXPECT_EQ(one.kv_pages, 5u);
  Speaker b;
  b.Run(model, tokens, 2);
  const clamma_txf_facts_t two = Facts(model);
  // The fourth page of each contains the token that is always computed, and is equal again.
  EXPECT_EQ(two.kv_pages, 6u);
  EXPECT_EQ(two.kv_bytes, one.kv_bytes / 5 * 6);
  EXPECT_EQ(two.memory_bytes, one.memory_bytes + one.kv_bytes / 5 * 4);
  EXPECT_EQ(Facts(a.session()).memory_bytes, alone - one.kv_bytes / 5 * 4);
  b.Destroy();
  EXPECT_EQ(Facts(model).memory_bytes, one.memory_bytes);
  EXPECT_EQ(Facts(a.session()).memory_bytes, alone);
}

TEST_F(PrefixCacheTest, SaltsKeepContextsApart) {
  const TxfPtr model = files_.OpenModel(size_t{1} << 30);
  const std::vector<tok_id_t> tokens = RandomTokens(200, 1);
  const std::vector<Step> expected = files_.Expected(tokens, 3);
  uint64_t saved = 0;
  for (const uint64_t salt : {uint64_t{0}, uint64_t{1}, uint64_t{2}, UINT64_MAX}) {
    Speaker first;
    first.Run(model, tokens, 3, salt);
    EXPECT_EQ(Saved(model), saved) << "salt " << salt;
    EXPECT_EQ(Facts(first.session()).cached_tokens, 0u);
    EXPECT_EQ(first.steps(), expected);
    Speaker second;
    second.Run(model, tokens, 3, salt);
    saved += 199;
    EXPECT_EQ(Saved(model), saved) << "salt " << salt;
    EXPECT_EQ(second.steps(), expected);
  }
}

TEST_F(PrefixCacheTest, SaltsThatStartTogetherDoNotWaitForEachOther) {
  const TxfPtr model = files_.OpenModel();
  const std::vector<tok_id_t> tokens = RandomTokens(200, 1);
  std::vector<Speaker> speakers(4);
  for (size_t i = 0; i < 4; ++i) speakers[i].Begin(model, tokens, 3, i);
  StepAll();
  EXPECT_EQ(Saved(model), 0u);
  EXPECT_EQ(Facts(model).kv_pages, 4u * 7);
}

// If a session continues with another salt, no session finds what it then computes, with either
// salt.
TEST_F(PrefixCacheTest, SessionThatChangesItsSaltSharesNothingMore) {
  const TxfPtr model = files_.OpenModel(size_t{1} << 30);
  const std::vector<tok_id_t> tokens = RandomTokens(300, 1);
  const std::vector<tok_id_t> some(tokens.begin(), tokens.begin() + 100);
  Speaker a;
  a.Run(model, some, 1, 1);
  a.Run(model, tokens, 1, 2);
  for (const uint64_t salt : {uint64_t{1}, uint64_t{2}}) {
    Speaker b;
    b.Run(model, tokens, 3, salt);
    EXPECT_EQ(Facts(b.session()).cached_tokens, salt == 1 ? 100u : 0u);
    EXPECT_EQ(b.steps(), files_.Expected(tokens, 3));
  }
}

// Pages of 32 positions: of 100 open tokens, 96 are shared. What follows never is, though all
// tokens are the same.
TEST_F(PrefixCacheTest, SaltsShareWhatIsOpenAndNothingBehindIt) {
  const TxfPtr model = files_.OpenModel(size_t{1} << 30);
  const std::vector<tok_id_t> tokens = RandomTokens(200, 1);
  const std::vector<tok_id_t> open(tokens.begin(), tokens.begin() + 100);
  const std::vector<Step> expected = files_.Expected(tokens, 3);
  const auto cached = [&](uint64_t salt, const std::vector<tok_id_t>& declared) {
    Speaker speaker;
    speaker.SetOpen(declared);
    speaker.Run(model, tokens, 3, salt);
    EXPECT_EQ(speaker.steps(), expected) << "salt " << salt;
    return Facts(speaker.session()).cached_tokens;
  };
  EXPECT_EQ(cached(1, open), 0u);
  EXPECT_EQ(cached(2, open), 96u);
  EXPECT_EQ(cached(2, open), 199u) << "the rest is its own";
  EXPECT_EQ(cached(3, {}), 0u) << "whoever declares nothing shares nothing, even of this";
  std::vector<tok_id_t> other = open;
  other[70] = OtherThan(other[70]);
  EXPECT_EQ(cached(4, other), 64u) << "as far as the context begins like the open tokens";
  EXPECT_EQ(cached(0, open), 96u) << "0 is a salt like any other";
  std::vector<tok_id_t> longer = tokens;
  longer.insert(longer.end(), 100, kFirstToken);
  EXPECT_EQ(cached(5, longer), 96u) << "what others have not declared open is not found";
}

TEST_F(PrefixCacheTest, SaltsThatStartTogetherComputeWhatIsOpenOnce) {
  const TxfPtr model = files_.OpenModel();
  const std::vector<tok_id_t> tokens = RandomTokens(1000, 1);
  const std::vector<tok_id_t> open(tokens.begin(), tokens.begin() + 500);
  const std::vector<Step> expected = files_.Expected(tokens, 3);
  std::vector<Speaker> speakers(4);
  for (size_t i = 0; i < 4; ++i) {
    speakers[i].SetOpen(open);
    speakers[i].Begin(model, tokens, 3, i);
  }
  StepAll();
  EXPECT_EQ(Saved(model), 3u * 480);
  for (const Speaker& speaker : speakers) EXPECT_EQ(speaker.steps(), expected);
}

// A saved session may be forged: others must not compute with it.
TEST_F(PrefixCacheTest, RestoredPagesAreNotShared) {
  const TxfPtr model = files_.OpenModel();
  const std::vector<tok_id_t> tokens = RandomTokens(100, 1);
  Speaker a;
  a.Run(model, tokens, 5);
  const Stream saved = Save(a.session());
  const std::vector<tok_id_t> context = a.Tokens();
  a.Destroy();
  const SessionPtr restored = NewSession(model);
  ASSERT_EQ(Restore(restored.get(), saved), 0);
  Speaker b;
  b.Run(model, tokens, 5);
  EXPECT_EQ(Saved(model), 0u);
  // But it may continue from the pages of others.
  std::vector<tok_id_t> longer = context;
  const std::vector<tok_id_t> more = RandomTokens(100, 2);
  longer.insert(longer.end(), more.begin(), more.end());
  b.Run(model, longer, 1);
  Speaker c(NewSession(model));
  ASSERT_EQ(Restore(c.session(), saved), 0);
  c.Run(model, longer, 5);
  EXPECT_EQ(Facts(c.session()).cached_tokens, longer.size() - 1 - (context.size() - 1));
  EXPECT_EQ(c.steps(), files_.Expected(longer, 5));
}

TEST_F(PrefixCacheTest, FinishedContextsStayUpToTheBytesAskedFor) {
  uint64_t page = 0;
  {
    const TxfPtr model = files_.OpenModel();
    Speaker a;
    a.Run(model, RandomTokens(33, 1), 1);
    page = Facts(model).kv_bytes / 2;
  }
  const TxfPtr model = files_.OpenModel(6 * page + page / 2);
  const auto cached = [&](uint32_t context) {
    Speaker speaker;
    speaker.Run(model, RandomTokens(64, context), 1);
    return Facts(speaker.session()).cached_tokens;
  };
  for (const uint32_t context : {1u, 2u, 3u}) EXPECT_EQ(cached(context), 0u);  // 2 pages each
  EXPECT_EQ(Facts(model).kv_pages, 6u);
  EXPECT_EQ(Facts(model).kv_idle_bytes, 6 * page);
  EXPECT_EQ(cached(1), 63u) << "used last, now";
  EXPECT_EQ(cached(4), 0u) << "displaces 2";
  EXPECT_EQ(Facts(model).kv_idle_bytes, 6 * page);
  EXPECT_EQ(cached(3), 63u);
  EXPECT_EQ(cached(1), 63u);
  EXPECT_EQ(cached(4), 63u);
  EXPECT_EQ(cached(2), 0u);
}

TEST_F(PrefixCacheTest, ScoresUseNoHits) {
  const TxfPtr model = files_.OpenModel(size_t{1} << 30);
  const std::string text = "the hand the hand the hand the hand";
  clamma_score_t before = {};
  ASSERT_EQ(clamma_score(model.get(), text.data(), text.size(), &before, nullptr, 0), 0);
  Speaker a;
  a.RunText(model, text, 2);
  clamma_score_t after = {};
  ASSERT_EQ(clamma_score(model.get(), text.data(), text.size(), &after, nullptr, 0), 0);
  EXPECT_EQ(before.log_likelihood, after.log_likelihood);
  EXPECT_EQ(Saved(model), 0u);
}

}  // namespace
}  // namespace clamma_test
