// SPDX-License-Identifier: MIT
// Random trees of contexts on models with and without windows, in every type of keys and values:
// the bits of all logits are those of a forward pass that shares nothing.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "prefix_fixture.h"

namespace clamma_test {
namespace {

constexpr size_t kSmallArena = 300000;  // not enough for all sessions

struct World {
  const char* name;
  GgufSpec spec;
  clamma_kv_type_t kv_type;
  size_t pages_kept;       // prefix_cache_bytes, in pages
  size_t arena_bytes = 0;  // besides what the model takes; 0: there is no arena
};
void PrintTo(const World& world, std::ostream* out) { *out << world.name; }

GgufSpec WindowOf(GgufSpec spec, uint32_t window) {
  spec.numbers["attention.sliding_window"] = window;
  return spec;
}

std::vector<World> Worlds() {
  return {{"F32", PlainSpec(), CLAMMA_KV_F32, 0},
          {"F16", PlainSpec(), CLAMMA_KV_F16, 0},
          {"Q8", PlainSpec(), CLAMMA_KV_Q8, 0},
          {"F32Kept", PlainSpec(), CLAMMA_KV_F32, 1000},
          {"Q8KeepsLittle", PlainSpec(), CLAMMA_KV_Q8, 3},
          {"Windows", Gemma2Spec(), CLAMMA_KV_F32, 0},
          {"WindowsKept", Gemma2Spec(), CLAMMA_KV_F16, 1000},
          {"WindowsKeepLittle", WindowOf(Gemma2Spec(), 40), CLAMMA_KV_Q8, 5},
          {"AllWindowsTwoRotations", Phi3Spec(), CLAMMA_KV_F32, 1000},
          {"Experts", GptOssSpec(), CLAMMA_KV_Q8, 4},
          {"Arena", PlainSpec(), CLAMMA_KV_F32, 0, size_t{3} << 20},
          {"ArenaKept", Gemma2Spec(), CLAMMA_KV_F32, 1000, size_t{3} << 20},
          {"SmallArena", Gemma2Spec(), CLAMMA_KV_F32, 0, kSmallArena},
          {"SmallArenaKept", PlainSpec(), CLAMMA_KV_F32, 1000, kSmallArena}};
}

// Contexts are paths in a tree: every ten tokens, one of two branches.
std::vector<tok_id_t> RandomPath(std::mt19937& random) {
  std::vector<tok_id_t> tokens;
  uint32_t place = 1;
  const size_t length = 2 + random() % (random() % 4 == 0 ? 500 : 150);
  while (tokens.size() < length) {
    place = place * 2 + (random() % 8 == 0 ? 1 : 0);
    const std::vector<tok_id_t> stretch = RandomTokens(10, place);
    tokens.insert(tokens.end(), stretch.begin(), stretch.end());
  }
  tokens.resize(length);
  return tokens;
}

// A session, and the context that it last continued.
struct Talk {
  Speaker speaker;
  std::vector<tok_id_t> context;
  bool asked = false;
};

class PrefixCacheRandomTest : public testing::TestWithParam<World> {
 protected:
  void SetUp() override {
    if (!clamma::kHasPrefixCache) GTEST_SKIP() << "a build without a prefix cache";
  }

  // All tokens and bits so far are as expected.
  void Check(Talk& talk) {
    if (!talk.asked) return;
    const std::vector<Step>& steps = talk.speaker.steps();
    EXPECT_EQ(steps, files_.Expected(talk.context, steps.size()));
    if (!talk.speaker.busy()) {
      EXPECT_NE(talk.speaker.why(), CLAMMA_DONE_ERROR);
    }
  }
  void Ask(Talk& talk) {
    if (talk.speaker.busy()) return;
    talk.context = RandomPath(random_);
    const size_t limit = 1 + random_() % 6;
    const uint64_t salt = random_() % 4 == 0 ? 7 : 0;
    talk.asked = talk.speaker.Begin(model_, talk.context, limit, salt);
    refused_ += talk.asked ? 0 : 1;
  }
  void Act(Talk& talk, Talk& other) {
    switch (random_() % 10) {
      case 0:
        if (talk.speaker.busy()) Check(talk);
        talk.speaker.Destroy();
        talk.speaker = Speaker();
        talk.asked = false;
        break;
      case 1:
        clamma_sessions_query_cancel(talk.speaker.session());
        break;
      case 2:
        if (talk.speaker.busy() || other.speaker.busy()) break;
        if (talk.speaker.session() == nullptr || other.speaker.session() == nullptr) break;
        if (Restore(talk.speaker.session(), Save(other.speaker.session())) != 0) ++refused_;
        talk.asked = false;
        break;
      default:
        Ask(talk);
    }
    for (size_t steps = random_() % 4; steps > 0; --steps) clamma_sessions_step_next();
  }

  PrefixModel files_{GetParam().spec, GetParam().kv_type};
  std::vector<uint8_t> arena_;
  TxfPtr model_;
  size_t refused_ = 0;
  std::mt19937 random_{1};
};

INSTANTIATE_TEST_SUITE_P(Worlds, PrefixCacheRandomTest, testing::ValuesIn(Worlds()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(PrefixCacheRandomTest, LogitsAreThoseWithoutTheCache) {
  uint64_t page = 0;
  {
    const TxfPtr model = files_.OpenModel();
    Speaker speaker;
    speaker.Run(model, {5, 6, 7}, 1);
    page = Facts(model).kv_bytes;
  }
  const uint64_t limit = GetParam().pages_kept * page;
  clamma_txf_info_t info = files_.Info(limit);
  if (GetParam().arena_bytes > 0) {
    arena_.resize(Facts(files_.OpenModel()).memory_bytes + GetParam().arena_bytes);
    info.arena = arena_.data();
    info.arena_size = arena_.size();
  }
  model_ = Open(info);
  std::vector<Talk> talks(5);
  for (size_t round = 0; round < 150; ++round) {
    Talk& talk = talks[random_() % talks.size()];
    Act(talk, talks[random_() % talks.size()]);
    if (!talk.speaker.busy()) Check(talk);
    EXPECT_LE(Facts(model_).kv_idle_bytes, limit);
  }
  StepAll();
  for (Talk& talk : talks) Check(talk);
  const clamma_txf_facts_t facts = Facts(model_);
  EXPECT_EQ(refused_ > 0, GetParam().arena_bytes == kSmallArena);
  EXPECT_GT(facts.prefix_hits, 15u);
  EXPECT_GT(facts.prefix_tokens_saved, 300u);
  talks.clear();
  const clamma_txf_facts_t after = Facts(model_);
  EXPECT_EQ(after.kv_idle_bytes, after.kv_bytes);
  EXPECT_LE(after.kv_bytes, limit);
  if (limit > 0) {
    EXPECT_GT(after.kv_pages, 0u);
  }
}

}  // namespace
}  // namespace clamma_test
