// SPDX-License-Identifier: MIT
// Random queries on models of several kinds, with drafts and without: tokens, bits, texts and facts
// are the same at every callback.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "draft_fixture.h"
#include "prefix_fixture.h"

namespace clamma_test {
namespace {

enum class Drafts : uint8_t { kNone, kLookedUp, kOfItself, kOfAnother };

struct Case {
  const char* name;
  GgufSpec spec;
  clamma_kv_type_t kv_type = CLAMMA_KV_F32;
  uint32_t context = 2048;
  bool in_arena = false;
};
void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

std::vector<Case> HeapCases() {
  return {{"Plain", PlainSpec()},
          {"Q8", PlainSpec(), CLAMMA_KV_Q8},
          {"ShortContext", PlainSpec(), CLAMMA_KV_F16, 90},
          {"Windows", Gemma2Spec()},
          {"TwoRotations", Phi3Spec(), CLAMMA_KV_F16},
          {"Experts", GptOssSpec(), CLAMMA_KV_Q8}};
}

std::vector<Case> ArenaCases() {
  return {{"Arena", PlainSpec(), CLAMMA_KV_F32, 256, true},
          {"ArenaWindows", Gemma2Spec(), CLAMMA_KV_F32, 256, true}};
}

// A context in which stretches occur again.
std::vector<tok_id_t> RepeatingTokens(std::mt19937& random, size_t most) {
  std::vector<tok_id_t> tokens = RandomTokens(3 + random() % 20, static_cast<uint32_t>(random()));
  while (random() % 5 != 0 && tokens.size() < most) {
    const size_t begin = random() % (tokens.size() - 2);
    const size_t length = 1 + random() % (tokens.size() - begin);
    for (size_t i = 0; i < length; ++i) tokens.push_back(tokens[begin + i]);
    const auto fresh = static_cast<uint32_t>(random());
    for (const tok_id_t token : RandomTokens(random() % 3, fresh)) tokens.push_back(token);
  }
  tokens.resize(std::min(tokens.size(), most));
  return tokens;
}

// A query, and how it is disturbed.
struct Asked {
  std::vector<tok_id_t> tokens;  // empty: goes on
  clamma_txf_info_t info = {};
  std::vector<tok_id_t> stop_tokens;
  std::vector<clamma_logit_bias_t> biases;  // that make the text repeat itself
  size_t cancels_at = 0;
};

Asked RandomQuery(std::mt19937& random, size_t context) {
  static const char* const stops[] = {"5", "1", " "};
  Asked asked;
  if (random() % 4 != 0) asked.tokens = RepeatingTokens(random, context - 20);
  clamma_txf_info_t& info = asked.info;
  info.limit = random() % 6 == 0 ? 0 : 1 + random() % 60;
  info.temperature = static_cast<float>(random() % 3) * 0.4f;
  info.topp = random() % 2 == 0 ? 0.0f : 0.8f;
  info.top_k = random() % 3 == 0 ? 4 : 0;
  info.repetition_penalty = random() % 3 == 0 ? 1.1f : 0.0f;
  info.presence_penalty = random() % 3 == 0 ? 0.3f : 0.0f;
  info.rng_seed = 1 + random() % 1000;
  if (random() % 4 == 0) asked.stop_tokens = RandomTokens(2, static_cast<uint32_t>(random()));
  if (random() % 4 == 0) {
    info.stop_strings = &stops[random() % 3];
    info.stop_string_count = 1;
  }
  if (random() % 2 == 0) {
    for (const tok_id_t token : RandomTokens(2, static_cast<uint32_t>(random()))) {
      asked.biases.push_back({token, 4.0f});
    }
  }
  if (random() % 4 == 0) asked.cancels_at = 1 + random() % 20;
  return asked;
}

// A session of one of the two worlds, which differ only in the drafts.
class Speculator {
 public:
  Speculator(const TxfPtr& model, const txf* draft, unsigned most)
      : session_(NewSession(model)), draft_(draft), most_(most) {}

  bool Begin(const Asked& asked) {
    witness_ = std::make_unique<Witness>(session_.get(), asked.cancels_at);
    const size_t n = asked.tokens.size();
    if (n > 0) {
      EXPECT_EQ(clamma_session_set_tokens(session_.get(), asked.tokens.data(), n), 0);
    }
    clamma_txf_info_t info = asked.info;
    witness_->Watch(&info);
    info.stop_tokens = asked.stop_tokens.data();
    info.stop_token_count = asked.stop_tokens.size();
    info.logit_bias = asked.biases.data();
    info.logit_bias_count = asked.biases.size();
    info.draft_txf = draft_;
    info.draft_tokens = most_;
    const bool begun = clamma_session_query(session_.get(), &info) == 0;
    if (!begun) witness_->Note("refused");
    return begun;
  }
  void Run(const Asked& asked) {
    if (!Begin(asked)) return;
    while (!witness_->ended()) {
      ASSERT_EQ(clamma_sessions_step_next(), 1);
    }
  }
  const Witness& witness() const { return *witness_; }
  txf_session* session() const { return session_.get(); }

 private:
  SessionPtr session_;
  const txf* draft_;
  unsigned most_;
  std::unique_ptr<Witness> witness_;
};

class SpeculationRandomTest : public testing::TestWithParam<Case> {
 protected:
  TxfPtr OpenModel() {
    clamma_txf_info_t info = files_.Info();
    info.context = GetParam().context;
    if (!GetParam().in_arena) return Open(info);
    arenas_.emplace_back(size_t{24} << 20);
    info.arena = arenas_.back().data();
    info.arena_size = arenas_.back().size();
    return Open(info);
  }

  // Runs the same queries on pairs of sessions, all at once or one after the other.
  void Compare(Drafts drafts);

  PrefixModel files_{GetParam().spec, GetParam().kv_type};
  std::vector<std::vector<uint8_t>> arenas_;
};

void SpeculationRandomTest::Compare(Drafts drafts) {
  constexpr size_t kSessions = 3;
  const TxfPtr plain = OpenModel();
  const TxfPtr model = OpenModel();
  MakeDraftsCheap(model);
  TxfPtr another;
  const txf* draft = nullptr;
  if (drafts == Drafts::kOfItself) draft = model.get();
  PrefixModel other_files(PlainSpec(), CLAMMA_KV_F16);
  if (drafts == Drafts::kOfAnother) {
    another = other_files.OpenModel();
    draft = another.get();
  }
  std::vector<Speculator> expected;
  std::vector<Speculator> actual;
  for (size_t i = 0; i < kSessions; ++i) {
    expected.emplace_back(plain, nullptr, 0);
    actual.emplace_back(model, draft, static_cast<unsigned>(i % 2 == 0 ? 15 : 3));
  }
  std::mt19937 random(static_cast<uint32_t>(drafts) + 1);
  size_t drafted = 0;
  size_t accepted = 0;
  for (size_t round = 0; round < 25; ++round) {
    std::vector<Asked> asked;
    for (size_t i = 0; i < kSessions; ++i) {
      asked.push_back(RandomQuery(random, GetParam().context));
      expected[i].Run(asked[i]);
    }
    for (size_t i = 0; i < kSessions; ++i) {
      if (round % 2 == 0) actual[i].Run(asked[i]);
      if (round % 2 == 1) actual[i].Begin(asked[i]);
    }
    while (clamma_sessions_step_next() != 0) continue;
    for (size_t i = 0; i < kSessions; ++i) {
      ASSERT_EQ(actual[i].witness().lines(), expected[i].witness().lines())
          << "session " << i << " in round " << round;
      drafted += QueryFactsOf(actual[i].session()).drafted_tokens;
      accepted += QueryFactsOf(actual[i].session()).accepted_tokens;
    }
  }
  EXPECT_GT(drafted, 20u);
  EXPECT_GT(accepted, 5u);
  if (drafts == Drafts::kOfItself) return;
  EXPECT_LT(accepted, drafted) << "no draft was ever wrong";
}

std::string NameOf(const testing::TestParamInfo<Case>& test) { return test.param.name; }

INSTANTIATE_TEST_SUITE_P(Heap, SpeculationRandomTest, testing::ValuesIn(HeapCases()), NameOf);
INSTANTIATE_TEST_SUITE_P(Arena, SpeculationRandomTest, testing::ValuesIn(ArenaCases()), NameOf);

TEST_P(SpeculationRandomTest, LookingUpChangesNothing) { Compare(Drafts::kLookedUp); }

// Sessions in an arena have no draft transformer.
class DraftTransformerRandomTest : public SpeculationRandomTest {};

INSTANTIATE_TEST_SUITE_P(Heap, DraftTransformerRandomTest, testing::ValuesIn(HeapCases()), NameOf);

TEST_P(DraftTransformerRandomTest, DraftsOfTheModelItselfChangeNothing) {
  Compare(Drafts::kOfItself);
}

TEST_P(DraftTransformerRandomTest, DraftsOfAnotherModelChangeNothing) {
  Compare(Drafts::kOfAnother);
}

}  // namespace
}  // namespace clamma_test
