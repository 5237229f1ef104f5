// SPDX-License-Identifier: MIT
// Penalties and biases, which change logits before a token is sampled.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "sampler_fixture.h"

namespace clamma {
namespace {

// Returns logits that begin with those of the unknown token, BOS and EOS, which are very unlikely.
std::vector<float> BehindControls(const std::vector<float>& logits) {
  std::vector<float> all(3, -50.0f);
  all.insert(all.end(), logits.begin(), logits.end());
  return all;
}

TEST(SamplerTest, RepetitionPenaltyWeakensWhatTheContextHolds) {
  SamplingOptions options;
  options.repetition_penalty = 1.2f;
  const auto sample = [&](const std::vector<float>& logits, const std::vector<TokenId>& context) {
    return SampleOnce(BehindControls(logits), options, 1, context) - 3;
  };
  EXPECT_EQ(sample({2.0f, 1.9f, 0}, {}), 0);
  EXPECT_EQ(sample({2.0f, 1.9f, 0}, {3}), 1) << "a positive logit is divided";
  EXPECT_EQ(sample({-1.0f, -1.1f, -9}, {3}), 1) << "a negative one is multiplied";
  EXPECT_EQ(sample({2.0f, 1.5f, 0}, {3, 3, 3, 3}), 0) << "once for all repetitions";
  EXPECT_EQ(sample({2.0f, 1.9f, 1.8f}, {3, 4}), 2);
}

TEST(SamplerTest, RepetitionPenaltyLeavesTheTokensThatEndATextAlone) {
  SamplingOptions options;
  options.repetition_penalty = 10.0f;
  EXPECT_EQ(SampleOnce({0, 0, 2.0f, 1.9f}, options, 1, {1, 2}), 2);
}

TEST(SamplerTest, RepetitionPenaltyBelowOneFavours) {
  SamplingOptions options;
  options.repetition_penalty = 0.5f;
  EXPECT_EQ(SampleOnce(BehindControls({1.0f, 1.5f}), options, 1, {3}), 3);
}

TEST(SamplerTest, RepetitionPenaltyLeavesNoTraceInTheNextCall) {
  SamplerFor sampler(6);
  RandomGenerator random(1);
  SamplingOptions options;
  options.repetition_penalty = 2;
  const std::vector<float> logits = BehindControls({2.0f, 1.9f, 0});
  EXPECT_EQ(sampler.Sample(logits, options, &random, {3}), 4);
  EXPECT_EQ(sampler.Sample(logits, options, &random, {5}), 3);
  EXPECT_EQ(sampler.Sample(logits, options, &random, {3}), 4);
}

// Returns the token that is sampled greedily from BehindControls(logits), if the last n_generated
// tokens of the context were generated.
TokenId Greedy(const std::vector<float>& logits, const SamplingOptions& options,
               const std::vector<TokenId>& context, size_t n_generated) {
  RandomGenerator random(1);
  return SamplerFor(logits.size()).Sample(logits, options, &random, context, n_generated);
}

TEST(SamplerTest, FrequencyPenaltyCountsEachTimeThatATokenWasGenerated) {
  const std::vector<float> logits = BehindControls({3.0f, 2.0f, 0.5f});
  const SamplingOptions options = {.frequency_penalty = 0.4f};
  EXPECT_EQ(Greedy(logits, options, {3, 3}, 2), 3);                    // 2.2 beside 2.0
  EXPECT_EQ(Greedy(logits, options, {3, 3, 3}, 3), 4);                 // 1.8
  EXPECT_EQ(Greedy(logits, options, {3, 3, 3, 4, 4}, 5), 3);           // 1.8 beside 1.2
  EXPECT_EQ(Greedy(logits, {.frequency_penalty = -1}, {4, 4}, 2), 4);  // negative penalties favour
}

TEST(SamplerTest, PresencePenaltyCountsOnce) {
  const std::vector<float> logits = BehindControls({3.0f, 2.0f, 0.5f});
  EXPECT_EQ(Greedy(logits, {.presence_penalty = 0.9f}, {3, 3, 3, 3}, 4), 3);
  EXPECT_EQ(Greedy(logits, {.presence_penalty = 1.1f}, {3}, 1), 4);
  EXPECT_EQ(Greedy(logits, {.presence_penalty = 1.1f}, {3, 4}, 2), 3);
  // Both: 3 - 2 * 0.3 - 0.5 = 1.9.
  const SamplingOptions both = {.frequency_penalty = 0.3f, .presence_penalty = 0.5f};
  EXPECT_EQ(Greedy(logits, both, {3, 3}, 2), 4);
  EXPECT_EQ(Greedy(logits, both, {3}, 1), 3);
}

TEST(SamplerTest, FrequencyAndPresencePenaltySpareThePromptAndTheEnd) {
  const std::vector<float> logits = BehindControls({3.0f, 2.0f, 0.5f});
  const SamplingOptions options = {.frequency_penalty = 5, .presence_penalty = 5};
  EXPECT_EQ(Greedy(logits, options, {3, 3, 4}, 1), 3);
  EXPECT_EQ(Greedy(logits, options, {3, 3, 4}, 2), 5);
  EXPECT_EQ(Greedy({0, 0, 9, 4, 5}, options, {2, 2}, 2), 2);
}

TEST(SamplerTest, FrequencyAndPresencePenaltyLeaveNoTraceInTheNextCall) {
  SamplerFor sampler(6);
  RandomGenerator random(1);
  const SamplingOptions options = {.presence_penalty = 2};
  const std::vector<float> logits = BehindControls({2.0f, 1.9f, 0});
  EXPECT_EQ(sampler.Sample(logits, options, &random, {3}, 1), 4);
  EXPECT_EQ(sampler.Sample(logits, options, &random, {4}, 1), 3);
  EXPECT_EQ(sampler.Sample(logits, options, &random, {3}, 1), 4);
}

TEST(SamplerTest, BiasesAreAddedToLogits) {
  const std::vector<float> logits = BehindControls({3.0f, 2.0f, 0.5f});
  const auto with = [&](std::vector<LogitBias> biases) {
    return SampleOnce(logits, {.biases = biases.data(), .n_biases = biases.size()});
  };
  EXPECT_EQ(with({{3, -0.5f}}), 3);
  EXPECT_EQ(with({{3, -1.5f}}), 4);
  EXPECT_EQ(with({{3, -1.5f}, {4, -3}}), 3);
  EXPECT_EQ(with({{5, 1.0f}, {5, 2.0f}}), 5);  // two biases of a token are added
  EXPECT_EQ(with({{2, 100}}), 2);              // the end, too
  EXPECT_EQ(with({{3, -std::numeric_limits<float>::max()},
                  {3, -std::numeric_limits<float>::max()},
                  {4, std::numeric_limits<float>::max()},
                  {4, std::numeric_limits<float>::max()}}),
            4);  // no overflow
}

TEST(SamplerTest, RepetitionPenaltyOfZeroOrOneIsOff) {
  for (const float penalty : {0.0f, 1.0f}) {
    SamplingOptions options;
    options.repetition_penalty = penalty;
    EXPECT_EQ(SampleOnce({2.0f, 1.99f}, options, 1, {0, 0}), 0) << penalty;
  }
}

// If a penalty makes a finite logit infinite, the weights are not reported as damaged.
TEST(SamplerTest, ExtremeRepetitionPenaltiesAreNoError) {
  for (const float penalty : {1e-45f, 1e-38f, 1e30f, 3e38f}) {
    SamplingOptions options;
    options.repetition_penalty = penalty;
    EXPECT_GE(SampleOnce({20.0f, -20.0f, 1.0f}, options, 1, {0, 1}), 0) << penalty;
  }
}

}  // namespace
}  // namespace clamma
