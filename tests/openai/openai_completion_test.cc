// SPDX-License-Identifier: MIT
// /v1/completions.
#include "service_fixture.h"

namespace clamma_test {
namespace {

TEST_F(StoriesTest, ContinuesAPromptAsTheLibraryDoes) {
  const AnswerPtr answer = Complete(
      R"({"model":"any","prompt":"Once upon a time","temperature":0,"max_tokens":40})");
  const openai::Value body = answer->body();
  const std::string golden = ReadGolden("float-greedy-bos");
  EXPECT_EQ(TextAt(body, "model"), "stories");
  EXPECT_EQ(TextAt(body, "choices.0.text"), golden.substr(16, 60)) << golden;
}

}  // namespace
}  // namespace clamma_test
