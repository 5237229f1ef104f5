// SPDX-License-Identifier: MIT
// The sampler against a plain one that follows llama2.c, and the candidates that each filter
// leaves.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "gguf_fixture.h"
#include "gguf_models.h"
#include "sampler_fixture.h"
#include "tokenizer/tokenizer.h"

namespace clamma {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// ---- The plain sampler: llama2.c's rules, with standard algorithms only ----

struct PlainGenerator {
  uint64_t state;
  float Uniform() {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    const uint32_t bits = static_cast<uint32_t>((state * 0x2545F4914F6CDD1Dull) >> 32);
    return static_cast<float>(bits >> 8) / 16777216.0f;
  }
};

std::vector<float> Softmax(std::vector<float> x) {
  const float largest = *std::max_element(x.begin(), x.end());
  float sum = 0;
  for (float& value : x) sum += value = std::exp(value - largest);
  for (float& value : x) value /= sum;
  return x;
}

int PlainSample(std::vector<float> logits, const SamplingOptions& options, PlainGenerator* random) {
  const auto n = static_cast<int>(logits.size());
  if (options.temperature == 0) {
    return static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  for (float& logit : logits) logit /= options.temperature;
  const std::vector<float> p = Softmax(logits);
  const float coin = random->Uniform();
  const bool nucleus = options.topp > 0 && options.topp < 1;
  const bool cut = options.top_k > 0 || options.min_p > 0;
  float sum = 0;
  if (!nucleus && !cut) {
    for (int i = 0; i < n; ++i) {
      sum += p[static_cast<size_t>(i)];
      if (coin < sum) return i;
    }
    return n - 1;
  }
  const float cutoff = cut ? 0 : (1.0f - options.topp) / static_cast<float>(n - 1);
  std::vector<int> ids;
  for (int i = 0; i < n; ++i) {
    if (p[static_cast<size_t>(i)] >= cutoff) ids.push_back(i);
  }
  if (ids.empty()) {  // cannot happen in llama2.c; here, the likeliest token is the result
    return static_cast<int>(std::max_element(p.begin(), p.end()) - p.begin());
  }
  const auto probability = [&](int id) { return p[static_cast<size_t>(id)]; };
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int a, int b) { return probability(a) > probability(b); });
  float mass = 1;
  if (cut) {
    const size_t all = ids.size();
    const float least = options.min_p * probability(ids[0]);
    if (options.top_k > 0 && options.top_k < all) ids.resize(options.top_k);
    while (ids.size() > 1 && probability(ids.back()) < least) ids.pop_back();
    if (ids.size() < all) {
      mass = 0;
      for (const int id : ids) mass += probability(id);
    }
  }
  const float wanted = nucleus ? options.topp * mass : kInfinity;
  size_t kept = 0;
  while (kept < ids.size() && sum <= wanted) sum += probability(ids[kept++]);
  const float target = coin * sum;
  float running = 0;
  for (size_t i = 0; i < kept; ++i) {
    running += probability(ids[i]);
    if (target < running) return ids[i];
  }
  return ids[kept - 1];
}

// ---- Helpers ----

// Returns the tokens that occur in many draws.
std::set<TokenId> Support(const std::vector<float>& logits, const SamplingOptions& options,
                          const std::vector<TokenId>& context = {}) {
  SamplerFor sampler(logits.size());
  RandomGenerator random(12345);
  std::set<TokenId> tokens;
  for (int i = 0; i < 20000; ++i) {
    tokens.insert(sampler.Sample(logits, options, &random, context));
  }
  return tokens;
}

std::vector<float> LogitsOf(const std::vector<float>& probabilities) {
  std::vector<float> logits;
  for (const float p : probabilities) logits.push_back(std::log(p));
  return logits;
}

std::vector<float> RandomLogits(size_t n, float spread, std::mt19937* random) {
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(n);
  for (float& logit : logits) logit = normal(*random);
  return logits;
}

// ---- The generator ----

TEST(RandomGeneratorTest, GivesTheKnownSequences) {
  struct Sequence {
    uint64_t seed;
    uint32_t numbers[4];  // times 2^-24
  };
  const Sequence sequences[] = {
      {1, {4711630, 11259814, 12177677, 5092376}},
      {42, {5688906, 13124075, 13256299, 15838407}},
      {1024, {14233023, 3617438, 6253901, 5913291}},
      {UINT64_MAX, {16329929, 9434244, 3435669, 12932812}},
  };
  for (const Sequence& sequence : sequences) {
    RandomGenerator random(sequence.seed);
    for (const uint32_t number : sequence.numbers) {
      EXPECT_EQ(random.Uniform(), static_cast<float>(number) / 16777216.0f)
          << "seed " << sequence.seed;
    }
  }
}

TEST(RandomGeneratorTest, StaysBelowOne) {
  RandomGenerator random(99);
  PlainGenerator plain{99};
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const float value = random.Uniform();
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    ASSERT_EQ(value, plain.Uniform());
    sum += static_cast<double>(value);
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.01);
}

// ---- Against the plain sampler ----

TEST(SamplerTest, AgreesWithThePlainSampler) {
  std::mt19937 random(7);
  for (const size_t n : {2u, 3u, 17u, 512u, 5000u}) {
    SamplerFor sampler(n);
    for (const float temperature : {0.0f, 0.2f, 0.8f, 1.0f, 3.0f}) {
      for (const float topp : {-1.0f, 0.0f, 0.1f, 0.5f, 0.9f, 0.999f, 1.0f, 5.0f}) {
        for (int round = 0; round < 12; ++round) {
          const std::vector<float> logits = RandomLogits(n, round % 2 == 0 ? 1.0f : 5.0f, &random);
          const uint64_t seed = random() + uint64_t{1};
          RandomGenerator ours(seed);
          PlainGenerator plain{seed};
          SamplingOptions options;
          options.temperature = temperature;
          options.topp = topp;
          ASSERT_EQ(sampler.Sample(logits, options, &ours), PlainSample(logits, options, &plain))
              << n << " tokens, temperature " << temperature << ", topp " << topp << ", seed "
              << seed;
        }
      }
    }
  }
}

TEST(SamplerTest, AgreesWithThePlainSamplerOverALongSequence) {
  std::mt19937 random(8);
  SamplerFor sampler(64);
  RandomGenerator ours(1024);
  PlainGenerator plain{1024};
  SamplingOptions options;
  options.temperature = 1;
  options.topp = 0.9f;
  for (int i = 0; i < 2000; ++i) {
    const std::vector<float> logits = RandomLogits(64, 2, &random);
    ASSERT_EQ(sampler.Sample(logits, options, &ours), PlainSample(logits, options, &plain))
        << "draw " << i;
  }
}

// In large vocabularies, whole ranges of tokens are skipped. Logits are multiples of 1/8, so that
// many are equal.
TEST(SamplerTest, AgreesWithThePlainSamplerInLargeVocabularies) {
  std::mt19937 random(9);
  for (const size_t n : {4095u, 4096u, 4097u, 20001u, 70000u}) {
    SamplerFor sampler(n);
    for (const uint32_t top_k : {0u, 1u, 40u, 200u, 3000u, 70000u}) {
      for (const float min_p : {0.0f, 1e-6f, 0.05f, 1.0f}) {
        for (const float topp : {0.0f, 0.9f}) {
          for (const float deviation : {0.1f, 1.0f, 4.0f}) {
            std::vector<float> logits = RandomLogits(n, deviation, &random);
            for (float& logit : logits) logit = std::round(8 * logit) / 8;
            const uint64_t seed = random() + uint64_t{1};
            RandomGenerator ours(seed);
            PlainGenerator plain{seed};
            SamplingOptions options;
            options.temperature = 0.8f;
            options.top_k = top_k;
            options.min_p = min_p;
            options.topp = topp;
            ASSERT_EQ(sampler.Sample(logits, options, &ours), PlainSample(logits, options, &plain))
                << n << " tokens, top_k " << top_k << ", min_p " << min_p << ", topp " << topp
                << ", deviation " << deviation << ", seed " << seed;
          }
        }
      }
    }
  }
}

TEST(SamplerTest, TiesGoToTheLowerId) {
  EXPECT_EQ(SampleOnce({1, 3, 3, 2}, {}), 1);
  EXPECT_EQ(SampleOnce({-5, -5, -5}, {}), 0);
  SamplingOptions options;
  options.temperature = 1;
  options.top_k = 2;
  EXPECT_EQ(Support({1, 1, 1, 1}, options), (std::set<TokenId>{0, 1}));
  options.top_k = 0;
  options.topp = 0.3f;  // two tokens of 1/4 each exceed this
  EXPECT_EQ(Support({1, 1, 1, 1}, options), (std::set<TokenId>{0, 1}));
}

TEST(SamplerTest, TheLikeliestIsFoundWhereverItIs) {
  for (const size_t n : {15u, 16u, 17u, 32u, 47u}) {
    for (size_t at = 0; at < n; ++at) {
      std::vector<float> logits(n, -3);
      logits[at] = -1;
      if (at + 1 < n) logits[n - 1] = -1;  // as likely
      if (at > 0) logits[at - 1] = kNaN;
      EXPECT_EQ(SampleOnce(logits, {}), static_cast<TokenId>(at)) << "of " << n;
    }
  }
}

TEST(SamplerTest, GreedyDrawsNoNumber) {
  RandomGenerator used(5);
  RandomGenerator fresh(5);
  SamplerFor(3).Sample({1, 2, 3}, {}, &used);
  EXPECT_EQ(used.Uniform(), fresh.Uniform());
}

// ---- Candidate sets ----

TEST(SamplerTest, NucleusIsTheShortestFrontBeyondTopp) {
  const std::vector<float> logits = LogitsOf({0.06f, 0.5f, 0.28f, 0.16f});
  const struct {
    float topp;
    std::set<TokenId> expected;
  } cases[] = {{0.01f, {1}}, {0.49f, {1}}, {0.51f, {1, 2}}, {0.77f, {1, 2}}, {0.79f, {1, 2, 3}}};
  for (const auto& c : cases) {
    SamplingOptions options;
    options.temperature = 1;
    options.topp = c.topp;
    EXPECT_EQ(Support(logits, options), c.expected) << "topp " << c.topp;
  }
}

TEST(SamplerTest, TopKKeepsTheLikeliest) {
  const std::vector<float> logits = LogitsOf({0.1f, 0.4f, 0.05f, 0.3f, 0.15f});
  const std::vector<TokenId> by_rank = {1, 3, 4, 0, 2};
  for (unsigned k = 1; k <= 7; ++k) {
    SamplingOptions options;
    options.temperature = 1;
    options.top_k = k;
    const size_t kept = std::min<size_t>(k, by_rank.size());
    EXPECT_EQ(Support(logits, options),
              std::set<TokenId>(by_rank.begin(), by_rank.begin() + static_cast<ptrdiff_t>(kept)))
        << "top_k " << k;
  }
}

TEST(SamplerTest, MinPKeepsWhatIsLikelyEnoughRelativeToTheLikeliest) {
  const std::vector<float> logits = LogitsOf({0.1f, 0.4f, 0.05f, 0.3f, 0.15f});
  const struct {
    float min_p;
    std::set<TokenId> expected;
  } cases[] = {{0.01f, {0, 1, 2, 3, 4}}, {0.2f, {0, 1, 3, 4}}, {0.3f, {1, 3, 4}},
               {0.5f, {1, 3}},           {0.8f, {1}},          {1.0f, {1}}};
  for (const auto& c : cases) {
    SamplingOptions options;
    options.temperature = 1;
    options.min_p = c.min_p;
    EXPECT_EQ(Support(logits, options), c.expected) << "min_p " << c.min_p;
  }
}

TEST(SamplerTest, MinPOfOneKeepsTies) {
  SamplingOptions options;
  options.temperature = 1;
  options.min_p = 1;
  EXPECT_EQ(Support({2, 1, 2, 0, 2}, options), (std::set<TokenId>{0, 2, 4}));
}

TEST(SamplerTest, ToppIsOfWhatTopKLeaves) {
  const std::vector<float> logits = LogitsOf({0.5f, 0.3f, 0.15f, 0.05f});
  SamplingOptions options;
  options.temperature = 1;
  options.top_k = 2;  // 0.625 and 0.375 of the remaining probability
  options.topp = 0.6f;
  EXPECT_EQ(Support(logits, options), (std::set<TokenId>{0}));
  options.topp = 0.65f;
  EXPECT_EQ(Support(logits, options), (std::set<TokenId>{0, 1}));
}

TEST(SamplerTest, FiltersCombine) {
  const std::vector<float> logits = LogitsOf({0.4f, 0.3f, 0.2f, 0.06f, 0.04f});
  SamplingOptions options;
  options.temperature = 1;
  options.top_k = 4;
  options.min_p = 0.4f;
  EXPECT_EQ(Support(logits, options), (std::set<TokenId>{0, 1, 2}));
  options.top_k = 2;
  EXPECT_EQ(Support(logits, options), (std::set<TokenId>{0, 1}));
}

// A filter that removes nothing does not change the nucleus.
TEST(SamplerTest, TopKOfTheWholeVocabularyChangesNothing) {
  const std::vector<float> logits = LogitsOf({0.5f, 0.28f, 0.16f, 0.06f});
  SamplingOptions options;
  options.temperature = 1;
  options.topp = 0.8f;
  const std::set<TokenId> nucleus = Support(logits, options);
  EXPECT_EQ(nucleus, (std::set<TokenId>{0, 1, 2}));
  options.top_k = 4;
  EXPECT_EQ(Support(logits, options), nucleus);
}

TEST(SamplerTest, TinyMinPChangesNothing) {
  const std::vector<float> logits = LogitsOf({0.5f, 0.28f, 0.16f, 0.06f});
  SamplingOptions options;
  options.temperature = 1;
  options.topp = 0.8f;
  const std::set<TokenId> nucleus = Support(logits, options);
  options.min_p = 1e-20f;
  EXPECT_EQ(Support(logits, options), nucleus);
}

TEST(SamplerTest, DrawsFollowTheProbabilities) {
  const std::vector<float> p = {0.5f, 0.3f, 0.15f, 0.05f};
  SamplerFor sampler(4);
  const std::vector<float> logits = LogitsOf(p);
  for (const bool filtered : {false, true}) {
    SamplingOptions options;
    options.temperature = 1;
    options.top_k = filtered ? 3 : 0;
    const float mass = filtered ? 0.95f : 1.0f;
    RandomGenerator random(3);
    std::vector<int> counts(4);
    for (int i = 0; i < 40000; ++i) {
      ++counts[static_cast<size_t>(sampler.Sample(logits, options, &random))];
    }
    for (size_t i = 0; i < (filtered ? 3u : 4u); ++i) {
      EXPECT_NEAR(counts[i] / 40000.0, static_cast<double>(p[i] / mass), 0.01) << i;
    }
  }
}

// ---- Extremes ----

TEST(SamplerTest, TinyTemperatureIsGreedy) {
  std::mt19937 random(9);
  for (const float temperature : {1e-45f, 1e-38f, 1e-20f, 1e-6f}) {
    for (const float topp : {0.0f, 0.9f}) {
      const std::vector<float> logits = RandomLogits(100, 3, &random);
      SamplingOptions options;
      options.temperature = temperature;
      options.topp = topp;
      EXPECT_EQ(SampleOnce(logits, options), SampleOnce(logits, {})) << temperature;
    }
  }
  SamplingOptions options;
  options.temperature = 1e-45f;
  EXPECT_EQ(SampleOnce({-3, -1, -2}, options), 1);
  EXPECT_EQ(SampleOnce({-3, 0, -2}, options), 1);
}

TEST(SamplerTest, HugeTemperatureIsUniform) {
  for (const float temperature : {1e10f, std::numeric_limits<float>::max()}) {
    SamplerFor sampler(4);
    RandomGenerator random(4);
    SamplingOptions options;
    options.temperature = temperature;
    std::vector<int> counts(4);
    for (int i = 0; i < 20000; ++i) {
      ++counts[static_cast<size_t>(sampler.Sample({10, -10, 3, 0}, options, &random))];
    }
    for (const int count : counts) EXPECT_NEAR(count / 20000.0, 0.25, 0.02);
  }
}

TEST(SamplerTest, EqualLogitsAreUniform) {
  SamplingOptions options;
  options.temperature = 1;
  EXPECT_EQ(Support(std::vector<float>(8, -1e30f), options),
            (std::set<TokenId>{0, 1, 2, 3, 4, 5, 6, 7}));
  options.topp = 0.999f;
  EXPECT_EQ(Support(std::vector<float>(8, 0), options),
            (std::set<TokenId>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(SamplerTest, ImpossibleTokensAreNeverDrawn) {
  for (const float topp : {0.0f, 0.9f}) {
    for (const unsigned top_k : {0u, 4u}) {
      SamplingOptions options;
      options.temperature = 1;
      options.topp = topp;
      options.top_k = top_k;
      EXPECT_EQ(Support({-kInfinity, 0, -kInfinity, 0}, options), (std::set<TokenId>{1, 3}))
          << "topp " << topp << ", top_k " << top_k;
    }
  }
}

TEST(SamplerTest, LogitsThatAreNoNumbersAreAnError) {
  for (const float temperature : {0.0f, 1.0f}) {
    SamplingOptions options;
    options.temperature = temperature;
    EXPECT_EQ(SampleOnce({kNaN, kNaN, kNaN}, options), -1);
    EXPECT_EQ(SampleOnce({-kInfinity, -kInfinity}, options), -1);
    EXPECT_EQ(SampleOnce({1, kInfinity, 2}, options), -1);
    EXPECT_EQ(SampleOnce({kInfinity, kNaN}, options), -1);
    EXPECT_EQ(SampleOnce({kNaN, 1, 2}, options), 2) << "one that is none is not drawn";
  }
  SamplingOptions options;
  options.temperature = 1;
  EXPECT_EQ(Support({kNaN, 1, 1, kNaN}, options), (std::set<TokenId>{1, 2}));
}

TEST(SamplerTest, VocabularyOfOne) {
  for (const float temperature : {0.0f, 1.0f}) {
    for (const float topp : {0.0f, 0.5f}) {
      for (const unsigned top_k : {0u, 1u, 9u}) {
        for (const float min_p : {0.0f, 1.0f}) {
          const SamplingOptions options = {temperature, topp, top_k, min_p, 1.5f};
          EXPECT_EQ(SampleOnce({3}, options, 1, {0}), 0);
        }
      }
    }
  }
}

TEST(SamplerTest, AnyOptionsGiveATokenThatIsThere) {
  std::mt19937 random(10);
  SamplerFor sampler(50);
  RandomGenerator ours(1);
  const float extremes[] = {0, 1e-45f, 1e-10f, 0.5f, 1, 2, 1e10f, 3e38f};
  const auto pick = [&] { return extremes[random() % std::size(extremes)]; };
  for (int i = 0; i < 3000; ++i) {
    const SamplingOptions options = {pick(), pick(), static_cast<uint32_t>(random() % 60),
                                     std::min(pick(), 1.0f), 1 + pick()};
    std::vector<float> logits = RandomLogits(50, 10, &random);
    if (i % 3 == 0) logits[random() % 50] = -kInfinity;
    std::vector<TokenId> context(random() % 20);
    for (TokenId& token : context) token = static_cast<TokenId>(random() % 50);
    const TokenId token = sampler.Sample(logits, options, &ours, context);
    ASSERT_GE(token, 0);
    ASSERT_NE(logits[static_cast<size_t>(token)], -kInfinity);
  }
}

// A model may have rows for ids that its vocabulary does not have.
TEST(Sampler, RoundingPicksNoTokenThatTheVocabularyLacks) {
  const clamma_test::GgufSpec spec = {.vocab = 20000, .tokens = 19990};
  clamma_test::GgufBytes file;
  clamma_test::AddKeys(spec, &file);
  const clamma_test::ParsedGguf gguf(file);
  Memory memory;
  Tokenizer tokenizer;
  const Status status = tokenizer.Open(memory, *gguf, spec.vocab);
  ASSERT_TRUE(status.ok()) << status.message();
  Sampler sampler;
  ASSERT_TRUE(
      sampler.Init(memory, SelectKernels(), SumOrder::kNative, spec.vocab, &tokenizer).ok());
  // The sum of so many equal probabilities is below 1, so that some coins exceed it.
  const std::vector<float> logits(spec.vocab, 1.0f);
  TokenId largest = 0;
  PlainGenerator coins = {1};
  for (int high = 0; high < 20;) {
    const uint64_t seed = coins.state;
    if (coins.Uniform() < 0.99995f) continue;
    ++high;
    RandomGenerator random(seed);
    TokenId token = -1;
    ASSERT_TRUE(sampler.Sample(logits.data(), {.temperature = 1}, {}, &random, &token).ok());
    ASSERT_LT(token, 19989);  // the id of an unused token
    largest = std::max(largest, token);
  }
  EXPECT_EQ(largest, 19988);
}

}  // namespace
}  // namespace clamma
