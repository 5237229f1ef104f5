// SPDX-License-Identifier: MIT
// What the operator says about prompts: the date that templates see, and a beginning that is no
// secret.
#include "service_fixture.h"

namespace clamma_test {
namespace {

using openai::Endpoint;
using Options = openai::Service::Options;

class PromptOptionsTest : public ServiceTest {
 protected:
  // The cached tokens of a chat's prompt, of a key that has this salt.
  size_t Cached(uint64_t salt, const std::string& system, const std::string& user) {
    const Sent sent = Submit(Endpoint::kChatCompletions,
                             R"({"max_tokens":1,"messages":[{"role":"system","content":")" +
                                 system + R"("},{"role":"user","content":")" + user + "\"}]}",
                             salt);
    EXPECT_TRUE(sent.answer->WaitForEnd());
    EXPECT_EQ(sent.answer->status(), 200) << sent.answer->raw();
    return sent.answer->usage().cached_tokens;
  }
};

TEST_F(PromptOptionsTest, TemplatesSeeTheDateThatIsGiven) {
  Options options;
  options.date = 1'700'000'000;
  Start(
      {{"made", WriteChatModel("{{ strftime_now('%Y-%m-%d %H:%M') }} {{ messages[0].content }}")}},
      options);
  EXPECT_EQ(
      TextAt(
          Ask(Endpoint::kApplyTemplate, R"({"messages":[{"role":"user","content":"x"}]})")->body(),
          "prompt"),
      "2023-11-14 22:13 x");
  const AnswerPtr answer = Chat(R"({"messages":[{"role":"user","content":"x"}],"max_tokens":1})");
  EXPECT_EQ(answer->usage().prompt_tokens, 18u) << "a token for each byte";
}

TEST_F(PromptOptionsTest, KeysShareTheSharedPrefixAndNothingBehindIt) {
  Options options;
  options.prefix_cache_bytes = size_t{1} << 26;
  options.shared_prefix = std::string(150, 's');
  Start({{"made", WriteChatModel(kTemplate, 1024)}}, options);
  const std::string system = options.shared_prefix;
  const std::string user(200, 'u');
  EXPECT_EQ(Cached(1, system, user), 0u);
  // "<|im_start|>system\n", 150 times s, and so on, up to the user's text: in pages of 32.
  const size_t shared = Cached(2, system, user);
  EXPECT_EQ(shared, 160u);
  EXPECT_GT(Cached(2, system, user), 350u) << "its own";
  EXPECT_EQ(Cached(3, system, "other"), 160u);
  EXPECT_EQ(Cached(4, std::string(100, 's') + "t", "other"), 96u) << "as far as it is the same";
  EXPECT_EQ(Cached(5, std::string(160, 'x'), user), 0u);
  EXPECT_EQ(Cached(6, std::string(160, 'x'), user), 0u) << "another beginning is not shared";
}

TEST_F(PromptOptionsTest, TextsShareItToo) {
  Options options;
  options.prefix_cache_bytes = size_t{1} << 26;
  options.shared_prefix = std::string(150, 's');
  Start({{"made", WriteChatModel(kTemplate, 1024)}}, options);
  const std::string body = R"({"prompt":")" + options.shared_prefix + R"( more","max_tokens":1})";
  size_t cached = 1;
  for (const uint64_t salt : {1, 2}) {
    const Sent sent = Submit(Endpoint::kCompletions, body, salt);
    ASSERT_TRUE(sent.answer->WaitForEnd());
    cached = sent.answer->usage().cached_tokens;
    EXPECT_EQ(cached, salt == 1 ? 0u : 128u);
  }
}

TEST_F(PromptOptionsTest, APrefixThatLeavesNoRoomIsRefused) {
  Options options;
  options.shared_prefix = std::string(600, 's');
  std::string reason;
  EXPECT_EQ(openai::Service::Make({{"made", WriteChatModel(kTemplate, 512)}}, options, &reason),
            nullptr);
  EXPECT_TRUE(reason.starts_with("the shared prefix has ")) << reason;
}

}  // namespace
}  // namespace clamma_test
