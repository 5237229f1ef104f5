// SPDX-License-Identifier: MIT
// Measures the sampling of a token, with a vocabulary of 262,144 tokens and settings in common use.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "kernels/kernels.h"
#include "platform/memory.h"

namespace clamma {
namespace {

constexpr uint32_t kVocabSize = 262144;

// Logits like those of models: normally distributed, and a few tokens far above the rest, or with
// `flat` none.
std::vector<float> MakeLogits(bool flat) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, flat ? 1.0f : 2.5f);
  std::vector<float> logits(kVocabSize);
  for (float& logit : logits) logit = normal(random);
  if (!flat) {
    for (int i = 0; i < 30; ++i)
      logits[random() % kVocabSize] = 18.0f - 0.3f * static_cast<float>(i);
  }
  return logits;
}

void Sampling(benchmark::State& state, const SamplingOptions& options, bool flat) {
  Memory memory;
  Sampler sampler;
  if (!sampler.Init(memory, SelectKernels(), SumOrder::kNative, kVocabSize, nullptr).ok()) {
    state.SkipWithError("no memory");
    return;
  }
  const std::vector<float> logits = MakeLogits(flat);
  const std::vector<TokenId> context(512, 300);
  SampledContext before;
  before.tokens = context.data();
  before.n = context.size();
  RandomGenerator random(7);
  TokenId token = 0;
  for (auto _ : state) {
    if (!sampler.Sample(logits.data(), options, before, &random, &token).ok()) {
      state.SkipWithError("not sampled");
      return;
    }
    benchmark::DoNotOptimize(token);
  }
}

struct Setting {
  const char* name;
  SamplingOptions options;
};

SamplingOptions Options(float temperature, float topp, uint32_t top_k, float min_p) {
  SamplingOptions options;
  options.temperature = temperature;
  options.topp = topp;
  options.top_k = top_k;
  options.min_p = min_p;
  return options;
}

void RegisterAll() {
  const Setting settings[] = {
      {"greedy", Options(0, 0, 0, 0)},
      {"temperature_1", Options(1, 0, 0, 0)},
      {"temperature_0.7_top_p_0.9", Options(0.7f, 0.9f, 0, 0)},
      {"temperature_0.7_top_k_40", Options(0.7f, 0, 40, 0)},
      {"temperature_0.7_min_p_0.05", Options(0.7f, 0, 0, 0.05f)},
      {"temperature_0.7_top_k_40_top_p_0.9_min_p_0.05", Options(0.7f, 0.9f, 40, 0.05f)},
  };
  for (const bool flat : {false, true}) {
    for (const Setting& setting : settings) {
      const std::string name = std::string(setting.name) + (flat ? "/flat" : "/peaked");
      benchmark::RegisterBenchmark(name.c_str(), [setting, flat](benchmark::State& state) {
        Sampling(state, setting.options, flat);
      })->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace clamma

int main(int argc, char** argv) {
  clamma::RegisterAll();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
