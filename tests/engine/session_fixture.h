// SPDX-License-Identifier: MIT
// The code that the tests of sessions share.
#ifndef CLAMMA_TESTS_ENGINE_SESSION_FIXTURE_H_
#define CLAMMA_TESTS_ENGINE_SESSION_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>

#include "api_fixture.h"

namespace clamma_test {

inline constexpr Ask kSampled = {.limit = 32, .temperature = 1, .topp = 0.9f};

inline Ask WithSeed(uint64_t seed) {
  Ask ask = kSampled;
  ask.seed = seed;
  return ask;
}

// About 13 tokens a sentence: longer than a few chunks, far from the context of 512.
inline std::string LongPrompt(int sentences = 14) {
  std::string text;
  for (int i = 0; i < sentences; ++i) text += "Lily went to the park with her mom. ";
  return text;
}

inline size_t CountTokens(const TxfPtr& model, const std::string& text, unsigned flags) {
  size_t count = 0;
  EXPECT_EQ(clamma_encode(model.get(), text.data(), text.size(), flags, nullptr, 0, &count), 0);
  return count;
}

class SessionTest : public FloatModelTest {};

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_ENGINE_SESSION_FIXTURE_H_
