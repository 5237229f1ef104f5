// SPDX-License-Identifier: MIT
// /v1/chat/completions.
#include "openai/json_text.h"
#include "service_fixture.h"

namespace clamma_test {
namespace {

class ChatTest : public ServiceTest {
 protected:
  void SetUp() override { Start({{"made", WriteChatModel()}}); }
  std::string TextOf(const std::string& more, int64_t choice = 0) {
    const AnswerPtr answer = Chat(Body(more));
    EXPECT_EQ(answer->status(), 200) << more << answer->raw();
    return TextAt(answer->body(), "choices." + std::to_string(choice) + ".message.content");
  }
  static std::string Body(const std::string& more) {
    return R"({"messages":[{"role":"user","content":"Hello"}],"max_tokens":24)" + more + "}";
  }
};

TEST_F(ChatTest, AnswersWithOneBody) {
  const AnswerPtr answer = Chat(Body(R"(,"seed":7)"));
  EXPECT_EQ(answer->status(), 200);
  EXPECT_FALSE(answer->streams());
  const openai::Value body = answer->body();
  EXPECT_EQ(TextAt(body, "object"), "chat.completion");
  EXPECT_EQ(TextAt(body, "model"), "made");
  EXPECT_TRUE(TextAt(body, "id").starts_with("chatcmpl-"));
  EXPECT_TRUE(TextAt(body, "system_fingerprint").starts_with("fp_"));
  EXPECT_EQ(WholeAt(body, "seed"), 7);
  EXPECT_EQ(TextAt(body, "choices.0.message.role"), "assistant");
  EXPECT_EQ(TextAt(body, "choices.0.finish_reason"), "length");
  EXPECT_EQ(WholeAt(body, "usage.completion_tokens"), 24);
  EXPECT_EQ(answer->usage().completion_tokens, 24u);
  EXPECT_EQ(static_cast<size_t>(WholeAt(body, "usage.prompt_tokens")),
            answer->usage().prompt_tokens);
  EXPECT_EQ(WholeAt(body, "usage.total_tokens"), WholeAt(body, "usage.prompt_tokens") + 24);
}

TEST_F(ChatTest, StreamsTheSameText) {
  const AnswerPtr whole = Chat(Body(R"(,"seed":7)"));
  const AnswerPtr stream =
      Chat(Body(R"(,"seed":7,"stream":true,"stream_options":{"include_usage":true})"));
  EXPECT_TRUE(stream->streams());
  const std::vector<openai::Value> chunks = ChunksOf(stream);
  ASSERT_GE(chunks.size(), 3u);
  EXPECT_EQ(TextAt(chunks[0], "choices.0.delta.role"), "assistant");
  EXPECT_EQ(Joined(chunks, "delta.content"), TextAt(whole->body(), "choices.0.message.content"));
  EXPECT_EQ(TextAt(chunks[chunks.size() - 2], "choices.0.finish_reason"), "length");
  EXPECT_TRUE(At(chunks.back(), "choices").array()->empty());
  EXPECT_EQ(At(chunks.back(), "usage").Text(), At(whole->body(), "usage").Text());
  for (size_t i = 0; i + 1 < chunks.size(); ++i) {
    EXPECT_TRUE(chunks[i].Find("usage") != nullptr && chunks[i].Find("usage")->is_null());
  }
}

TEST_F(ChatTest, UsageComesOnlyWhereItIsAskedFor) {
  for (const openai::Value& chunk : ChunksOf(Chat(Body(R"(,"stream":true)")))) {
    EXPECT_EQ(chunk.Find("usage"), nullptr);
  }
}

TEST_F(ChatTest, ASeedGivesTheSameAnswerAloneOrAmongOthers) {
  const std::string alone = TextOf(R"(,"seed":0)");
  EXPECT_EQ(TextOf(R"(,"seed":0)"), alone);
  EXPECT_NE(TextOf(R"(,"seed":-1)"), alone);
  std::vector<Sent> others;
  for (int i = 1; i < 12; ++i) {
    others.push_back(
        Submit(openai::Endpoint::kChatCompletions, Body(",\"seed\":" + std::to_string(i))));
  }
  EXPECT_EQ(TextOf(R"(,"seed":0)"), alone);
  for (const Sent& other : others) EXPECT_TRUE(other.answer->WaitForEnd());
}

TEST_F(ChatTest, EachOfNChoicesHasItsOwnSeed) {
  const AnswerPtr answer = Chat(Body(R"(,"seed":3,"n":3)"));
  const openai::Value body = answer->body();
  ASSERT_EQ(At(body, "choices").array()->size(), 3u);
  const std::string first = TextAt(body, "choices.0.message.content");
  EXPECT_EQ(TextOf(R"(,"seed":3)"), first);
  EXPECT_NE(TextAt(body, "choices.1.message.content"), first);
  EXPECT_NE(TextAt(body, "choices.2.message.content"), TextAt(body, "choices.1.message.content"));
  EXPECT_GT(WholeAt(body, "usage.completion_tokens"), 24);
  EXPECT_LE(WholeAt(body, "usage.completion_tokens"), 72);
  const std::vector<openai::Value> chunks =
      ChunksOf(Chat(Body(R"(,"seed":3,"n":3,"stream":true)")));
  for (const int64_t i : {0, 1, 2}) {
    EXPECT_EQ(Joined(chunks, "delta.content", i),
              TextAt(body, "choices." + std::to_string(i) + ".message.content"));
  }
}

TEST_F(ChatTest, StopsBeforeAStopString) {
  const std::string text = TextOf(R"(,"temperature":0)");
  ASSERT_GT(text.size(), 6u);
  std::string stop;
  openai::AppendQuoted(text.substr(3, 2), &stop);
  const AnswerPtr answer = Chat(Body(",\"temperature\":0,\"stop\":" + stop));
  const openai::Value body = answer->body();
  EXPECT_EQ(TextAt(body, "choices.0.message.content"),
            text.substr(0, text.find(text.substr(3, 2))));
  EXPECT_EQ(TextAt(body, "choices.0.finish_reason"), "stop");
  EXPECT_LT(WholeAt(body, "usage.completion_tokens"), 24);
}

TEST_F(ChatTest, TopPOfZeroIsTheLikeliest) {
  EXPECT_EQ(TextOf(R"(,"temperature":2,"top_p":0,"seed":5)"), TextOf(R"(,"temperature":0)"));
}

TEST_F(ChatTest, NullMeansAbsent) {
  const std::string nulls =
      R"(,"n":null,"stop":null,"stream":null,"temperature":null,"top_p":null,"logprobs":null,)"
      R"("top_logprobs":null,"tools":null,"tool_choice":null,"response_format":null,"user":null,)"
      R"("logit_bias":null,"max_completion_tokens":null,"stream_options":null,"audio":null)";
  EXPECT_EQ(TextOf(R"(,"seed":4)" + nulls), TextOf(R"(,"seed":4)"));
}

TEST_F(ChatTest, LogprobsHaveBytesAndTheLikeliest) {
  const openai::Value body =
      Chat(Body(R"(,"temperature":0,"logprobs":true,"top_logprobs":2)"))->body();
  const openai::Value content = At(body, "choices.0.logprobs.content");
  ASSERT_NE(content.array(), nullptr) << body.Text();
  EXPECT_GT(content.array()->size(), 0u);
  for (const openai::Value& token : *content.array()) {
    ASSERT_EQ(At(token, "top_logprobs").array()->size(), 2u);
    EXPECT_EQ(At(token, "top_logprobs.0.logprob").Text(), At(token, "logprob").Text());
    EXPECT_EQ(TextAt(token, "top_logprobs.0.token"), TextAt(token, "token"));
    EXPECT_LE(At(token, "logprob").number(), 0);
    EXPECT_FALSE(At(token, "bytes").array()->empty());
  }
}

TEST_F(ChatTest, ALogitBiasForcesAToken) {
  const std::string bias = ",\"logit_bias\":{\"" + std::to_string(kTwoA) + "\":100}";
  EXPECT_EQ(TextOf(bias), std::string(48, 'a'));
}

TEST_F(ChatTest, AnswersMatchASchema) {
  const AnswerPtr answer = Chat(
      Body(R"(,"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,)"
           R"("schema":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"],)"
           R"("additionalProperties":false}}})"));
  const std::string text = TextAt(answer->body(), "choices.0.message.content");
  EXPECT_TRUE(text == R"({"a":true})" || text == R"({"a":false})") << answer->raw();
  EXPECT_EQ(TextAt(answer->body(), "choices.0.finish_reason"), "stop");
}

TEST_F(ChatTest, WhatASchemaAsksForAndIsNotSupportedIsNamedOrRefused) {
  const std::string schema = R"("schema":{"type":"array","items":{"enum":[1,2]},"maxItems":3,)"
                             R"("uniqueItems":true}}})";
  const std::string format =
      R"(,"response_format":{"type":"json_schema","json_schema":{"name":"x",)";
  const AnswerPtr loose = Chat(Body(format + schema));
  EXPECT_EQ(loose->status(), 200) << loose->raw();
  EXPECT_EQ(loose->HeaderOf("x-clamma-loosened"), "/uniqueItems");
  const AnswerPtr strict = Chat(Body(format + R"("strict":true,)" + schema));
  EXPECT_EQ(strict->status(), 400);
  EXPECT_EQ(TextAt(strict->body(), "error.param"), "response_format.json_schema.schema");
  EXPECT_NE(TextAt(strict->body(), "error.message").find("/uniqueItems"), std::string::npos)
      << strict->raw();
}

TEST_F(ChatTest, AJsonObjectBeginsWithABrace) {
  EXPECT_TRUE(TextOf(R"(,"response_format":{"type":"json_object"})").starts_with("{"));
  EXPECT_EQ(TextOf(R"(,"seed":1,"response_format":{"type":"text"})"), TextOf(R"(,"seed":1)"));
}

TEST_F(ChatTest, ContentMayBeParts) {
  const auto tokens = [&](const std::string& content) {
    const openai::Value body =
        Chat(R"({"max_tokens":2,"temperature":0,"messages":[{"role":"user","content":)" + content +
             "}]}")
            ->body();
    return At(body, "usage").Text() + TextAt(body, "choices.0.message.content");
  };
  EXPECT_EQ(tokens(R"([{"type":"text","text":"Hel"},{"type":"text","text":"lo"}])"),
            tokens(R"("Hello")"));
}

TEST_F(ChatTest, AContextOverflowSaysTheNumbers) {
  const std::string text(2000, 'x');
  const AnswerPtr answer = Chat(R"({"messages":[{"role":"user","content":")" + text + "\"}]}");
  EXPECT_EQ(answer->status(), 400);
  EXPECT_EQ(TextAt(answer->body(), "error.code"), "context_length_exceeded");
  const std::string message = TextAt(answer->body(), "error.message");
  EXPECT_NE(message.find("512 tokens"), std::string::npos) << message;
  EXPECT_NE(message.find("20"), std::string::npos) << message;
}

TEST_F(ServiceTest, TokensOfTheReasoningAreCounted) {
  Start({{"made", WriteChatModel("{{ messages[-1].content }}<think>")}});
  // A random model writes a letter a for each token, and never ends its reasoning.
  const std::string more = R"("max_tokens":7,"max_output_tokens":7,"logit_bias":{"97":100}})";
  const openai::Value chat =
      Chat(R"({"messages":[{"role":"user","content":"Hi"}],)" + more)->body();
  EXPECT_EQ(TextAt(chat, "choices.0.message.reasoning_content"), "aaaaaaa") << chat.Text();
  EXPECT_EQ(WholeAt(chat, "usage.completion_tokens"), 7);
  EXPECT_EQ(WholeAt(chat, "usage.completion_tokens_details.reasoning_tokens"), 7);
  const openai::Value response =
      Ask(openai::Endpoint::kResponses, R"({"input":"Hi",)" + more)->body();
  EXPECT_EQ(WholeAt(response, "usage.output_tokens_details.reasoning_tokens"), 7)
      << response.Text();
}

}  // namespace
}  // namespace clamma_test
