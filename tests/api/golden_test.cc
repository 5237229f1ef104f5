// SPDX-License-Identifier: MIT
// Compares the library's texts with those that llama2.c prints for the same models, for every
// access mode and several numbers of threads.
#include <gtest/gtest.h>

#include <iterator>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "api_fixture.h"
#include "goldens.h"

namespace clamma_test {
namespace {

struct Golden : golden {
  Golden(const golden& given) : golden(given) {}
};

void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }

enum class Access { kMapped, kCached, kTightlyCached, kAtAddress };

const char* Name(Access access) {
  switch (access) {
    case Access::kMapped:
      return "Mapped";
    case Access::kCached:
      return "Cached";
    case Access::kTightlyCached:
      return "TightlyCached";
    case Access::kAtAddress:
      return "AtAddress";
  }
  return "";
}

void PrintTo(Access access, std::ostream* out) { *out << Name(access); }

using Parameters = std::tuple<Golden, Access, unsigned>;

class GoldenTest : public ::testing::TestWithParam<Parameters> {};

TEST_P(GoldenTest, TextIsReproduced) {
  const auto& [golden, access, threads] = GetParam();
  CLAMMA_NEED_FILE(ModelPath(golden.model));
  CLAMMA_NEED_FILE(ModelPath(kDictionary));
  CLAMMA_NEED_FILE(GoldenPath(std::string(golden.file) + ".txt"));

  clamma_txf_info_t info = ModelInfo(golden.model);
  info.threads = threads;
  // The addresses are odd, as weights in flash memory may be unaligned.
  HeapCopy weights(ReadBytes(ModelPath(golden.model)), 1);
  HeapCopy dictionary(ReadBytes(ModelPath(kDictionary)), 3);
  if (access == Access::kCached || access == Access::kTightlyCached) {
    info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
  }
  if (access == Access::kTightlyCached) info.cache_limit = SmallestCacheLimit(golden.model);
  if (access == Access::kAtAddress) {
    weights.BecomeModel(&info);
    dictionary.BecomeDictionary(&info);
  }
  const TxfPtr model = Open(info);
  ASSERT_NE(model, nullptr);

  const Outcome outcome = RunFresh(model, {.prompt = golden.prompt,
                                           .limit = 256,
                                           .temperature = golden.temperature,
                                           .topp = golden.topp,
                                           .seed = golden.seed});
  const std::string expected = ReadGolden(golden.file);
  ASSERT_GT(expected.size(), 100u);
  // llama2.c echoes the prompt; the library does not.
  const std::string text = (golden.prompt == nullptr ? "" : golden.prompt) + outcome.text;
  EXPECT_EQ(text.substr(0, expected.size()), expected);
}

std::string ParametersName(const ::testing::TestParamInfo<Parameters>& info) {
  const auto& [golden, access, threads] = info.param;
  return std::string(golden.name) + Name(access) + "Threads" + std::to_string(threads);
}

std::vector<Golden> Goldens() { return {std::begin(kGoldens), std::end(kGoldens)}; }

INSTANTIATE_TEST_SUITE_P(All, GoldenTest,
                         ::testing::Combine(::testing::ValuesIn(Goldens()),
                                            ::testing::Values(Access::kMapped, Access::kCached,
                                                              Access::kTightlyCached,
                                                              Access::kAtAddress),
                                            ::testing::Values(1u, 2u, 5u)),
                         ParametersName);

// Formats and numbers of threads also give equal texts beyond the length of the golden texts.
class SameWeightsTest : public ModelTest {};

TEST_F(SameWeightsTest, Version1GivesTheTextOfLegacyToTheEnd) {
  const Ask ask = {.prompt = nullptr, .temperature = 1, .topp = 0.9f, .seed = 3};
  const Outcome legacy = RunFresh(Open(ModelInfo(kFloatModel)), ask);
  const Outcome version1 = RunFresh(Open(ModelInfo(kFloatV1Model)), ask);
  EXPECT_EQ(legacy.text, version1.text);
  EXPECT_EQ(legacy.why, version1.why);
  EXPECT_EQ(legacy.facts.generated_tokens, version1.facts.generated_tokens);
}

TEST_F(SameWeightsTest, Int8TextsAreEqualForEveryAccessAndNumberOfThreads) {
  const Ask ask = {.prompt = "Once upon a time, Tom", .temperature = 1, .topp = 0.9f, .seed = 5};
  for (const char* name : {kQ80Model, kStraddlingModel}) {
    const Outcome expected = RunFresh(Open(ModelInfo(name)), ask);
    EXPECT_GT(expected.facts.generated_tokens, 50u) << name;
    for (const Access access : {Access::kMapped, Access::kTightlyCached, Access::kAtAddress}) {
      for (const unsigned threads : {2u, 5u}) {
        clamma_txf_info_t info = ModelInfo(name);
        info.threads = threads;
        HeapCopy weights(ReadBytes(ModelPath(name)), 3);
        if (access == Access::kTightlyCached) {
          info.model_access = CLAMMA_MODEL_ACCESS_MALLOC_CACHE;
          info.cache_limit = SmallestCacheLimit(name);
        } else if (access == Access::kAtAddress) {
          weights.BecomeModel(&info);
        }
        const Outcome outcome = RunFresh(Open(info), ask);
        EXPECT_EQ(outcome.text, expected.text)
            << name << ", " << Name(access) << ", " << threads << " threads";
        EXPECT_EQ(outcome.why, expected.why);
      }
    }
  }
}

}  // namespace
}  // namespace clamma_test
