// SPDX-License-Identifier: MIT
// The code that the tests of the sampler share.
#ifndef CLAMMA_TESTS_ENGINE_SAMPLER_FIXTURE_H_
#define CLAMMA_TESTS_ENGINE_SAMPLER_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "engine/sampler.h"
#include "kernels/kernels.h"
#include "platform/memory.h"

namespace clamma {

class SamplerFor {
 public:
  explicit SamplerFor(size_t vocab_size) {
    EXPECT_TRUE(sampler_
                    .Init(memory_, SelectKernels(), SumOrder::kLlama2c,
                          static_cast<uint32_t>(vocab_size), nullptr)
                    .ok());
  }
  // Returns -1 on an error.
  TokenId Sample(const std::vector<float>& logits, const SamplingOptions& options,
                 RandomGenerator* random, const std::vector<TokenId>& context = {},
                 size_t n_generated = 0) {
    TokenId token = -7;
    const Status status = sampler_.Sample(
        logits.data(), options, {context.data(), context.size(), n_generated}, random, &token);
    if (!status.ok()) {
      EXPECT_STRNE(status.message(), "");
      return -1;
    }
    EXPECT_GE(token, 0);
    EXPECT_LT(token, static_cast<TokenId>(logits.size()));
    return token;
  }

 private:
  Memory memory_;
  Sampler sampler_;
};

inline TokenId SampleOnce(const std::vector<float>& logits, const SamplingOptions& options,
                          uint64_t seed = 1, const std::vector<TokenId>& context = {}) {
  RandomGenerator random(seed);
  return SamplerFor(logits.size()).Sample(logits, options, &random, context);
}

}  // namespace clamma

#endif  // CLAMMA_TESTS_ENGINE_SAMPLER_FIXTURE_H_
