// SPDX-License-Identifier: MIT
// /v1/chat/completions.
#include "service_fixture.h"

namespace clamma_test {
namespace {

class ChatTest : public ServiceTest {
 protected:
  void SetUp() override { Start({{"made", WriteChatModel()}}); }
};

constexpr char kHello[] =
    R"({"messages":[{"role":"user","content":"Hello"}],"max_tokens":8,"seed":7)";

TEST_F(ChatTest, AnswersWithOneBody) {
  const AnswerPtr answer = Chat(std::string(kHello) + "}");
  EXPECT_EQ(answer->status(), 200);
  EXPECT_FALSE(answer->streams());
  const openai::Value body = answer->body();
  EXPECT_EQ(TextAt(body, "object"), "chat.completion");
  EXPECT_EQ(TextAt(body, "model"), "made");
  EXPECT_EQ(TextAt(body, "choices.0.message.role"), "assistant");
  EXPECT_NE(TextAt(body, "choices.0.message.content"), "(null)");
  EXPECT_EQ(TextAt(body, "choices.0.finish_reason"), "length");
  EXPECT_EQ(WholeAt(body, "usage.completion_tokens"), 8);
  EXPECT_EQ(answer->usage().completion_tokens, 8u);
  EXPECT_EQ(static_cast<size_t>(WholeAt(body, "usage.prompt_tokens")),
            answer->usage().prompt_tokens);
  EXPECT_GT(answer->usage().prompt_tokens, 5u);
}

TEST_F(ChatTest, StreamsTheSameText) {
  const AnswerPtr whole = Chat(std::string(kHello) + "}");
  const AnswerPtr stream = Chat(std::string(kHello) + R"(,"stream":true})");
  EXPECT_TRUE(stream->streams());
  const std::vector<openai::Value> chunks = ChunksOf(stream);
  ASSERT_GE(chunks.size(), 2u);
  EXPECT_EQ(TextAt(chunks[0], "choices.0.delta.role"), "assistant");
  EXPECT_EQ(Joined(chunks, "delta.content"),
            TextAt(whole->body(), "choices.0.message.content"));
  EXPECT_EQ(TextAt(chunks.back(), "choices.0.finish_reason"), "length");
}

}  // namespace
}  // namespace clamma_test
