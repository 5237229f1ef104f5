// SPDX-License-Identifier: MIT
// /v1/completions, /v1/embeddings, /tokenize and /detokenize, with stories260K.
#include <cmath>

#include "openai/json_text.h"
#include "service_fixture.h"

namespace clamma_test {
namespace {

using openai::Endpoint;

constexpr char kTom[] = R"({"model":"any","prompt":"Once upon a time, Tom","temperature":0)";

TEST_F(StoriesTest, ContinuesAPromptAsTheLibraryDoes) {
  const openai::Value body = Complete(std::string(kTom) + R"(,"max_tokens":40})")->body();
  const std::string golden = ReadGolden("float-prompt-greedy").substr(21);
  const std::string text = TextAt(body, "choices.0.text");
  EXPECT_EQ(TextAt(body, "object"), "text_completion");
  EXPECT_EQ(TextAt(body, "model"), "stories") << "the name of the only model";
  EXPECT_GT(text.size(), 40u);
  EXPECT_EQ(text, golden.substr(0, text.size()));
  EXPECT_EQ(TextAt(body, "choices.0.finish_reason"), "length");
  EXPECT_EQ(WholeAt(body, "usage.completion_tokens"), 40);
}

TEST_F(StoriesTest, SixteenTokensAreTheDefault) {
  EXPECT_EQ(WholeAt(Complete(std::string(kTom) + "}")->body(), "usage.completion_tokens"), 16);
}

// The tokens of the prompt above, as JSON.
std::string TomsTokens(const AnswerPtr& tokenized) {
  return At(tokenized->body(), "tokens").Text();
}

TEST_F(StoriesTest, PromptsMayBeTextsOrTokens) {
  const std::string tokens = TomsTokens(
      Ask(Endpoint::kTokenize, R"({"content":"Once upon a time, Tom","add_special":true})"));
  const std::string expected = TextAt(Complete(std::string(kTom) + "}")->body(), "choices.0.text");
  for (const std::string& prompt :
       {tokens, "[" + tokens + "]", std::string(R"(["Once upon a time, Tom"])")}) {
    const openai::Value body = Complete(R"({"prompt":)" + prompt + R"(,"temperature":0})")->body();
    EXPECT_EQ(TextAt(body, "choices.0.text"), expected) << prompt;
  }
}

TEST_F(StoriesTest, AnEmptyPromptBeginsAText) {
  const openai::Value body = Complete(R"({"prompt":"","temperature":0,"max_tokens":40})")->body();
  const std::string text = TextAt(body, "choices.0.text");
  EXPECT_GT(text.size(), 40u);
  EXPECT_EQ(text, ReadGolden("float-greedy-bos").substr(0, text.size()));
  EXPECT_EQ(WholeAt(body, "usage.prompt_tokens"), 1);
}

TEST_F(StoriesTest, SeveralPromptsHaveNChoicesEach) {
  const openai::Value body =
      Complete(R"({"prompt":["One day","Lily"],"n":2,"seed":1,"max_tokens":5})")->body();
  ASSERT_EQ(At(body, "choices").array()->size(), 4u);
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(WholeAt(body, "choices." + std::to_string(i) + ".index"), i);
  }
  EXPECT_EQ(WholeAt(body, "usage.completion_tokens"), 20);
}

TEST_F(StoriesTest, StreamsTheSameText) {
  const std::string body = std::string(kTom) + R"(,"max_tokens":40)";
  EXPECT_EQ(Joined(ChunksOf(Complete(body + R"(,"stream":true})")), "text"),
            TextAt(Complete(body + "}")->body(), "choices.0.text"));
}

TEST_F(StoriesTest, EchoGivesThePromptAndHowLikelyItIs) {
  const openai::Value body =
      Complete(std::string(kTom) + R"(,"echo":true,"max_tokens":0,"logprobs":1})")->body();
  EXPECT_EQ(TextAt(body, "choices.0.text"), "Once upon a time, Tom");
  EXPECT_EQ(WholeAt(body, "usage.completion_tokens"), 0);
  const openai::Value tokens = At(body, "choices.0.logprobs.tokens");
  const openai::Value logprobs = At(body, "choices.0.logprobs.token_logprobs");
  const openai::Value tops = At(body, "choices.0.logprobs.top_logprobs");
  const openai::Value offsets = At(body, "choices.0.logprobs.text_offset");
  const size_t n = tokens.array()->size();
  EXPECT_EQ(static_cast<int64_t>(n), WholeAt(body, "usage.prompt_tokens"));
  ASSERT_EQ(logprobs.array()->size(), n);
  ASSERT_EQ(tops.array()->size(), n);
  ASSERT_EQ(offsets.array()->size(), n);
  EXPECT_TRUE((*logprobs.array())[0].is_null());
  for (size_t i = 1; i < n; ++i) {
    const openai::Value& top = (*tops.array())[i];
    const openai::Value* own = top.Find(*(*tokens.array())[i].text());
    ASSERT_NE(own, nullptr) << top.Text();
    EXPECT_EQ(own->Text(), (*logprobs.array())[i].Text());
    EXPECT_LE(top.object()->size(), 2u);
    EXPECT_GE((*top.object())[0].value.number(), own->number());
    EXPECT_GE((*offsets.array())[i].number(), (*offsets.array())[i - 1].number());
  }
}

// What a text generates has the logprobs that it has as a prompt.
TEST_F(StoriesTest, LogprobsOfGeneratedTokensAreThoseOfTheSamePrompt) {
  const openai::Value generated =
      Complete(std::string(kTom) + R"(,"max_tokens":20,"logprobs":2,"echo":true})")->body();
  const std::string text = TextAt(generated, "choices.0.text");
  std::string prompt;
  openai::AppendQuoted(text, &prompt);
  const openai::Value echoed =
      Complete(R"({"prompt":)" + prompt + R"(,"max_tokens":0,"logprobs":2,"echo":true})")->body();
  EXPECT_EQ(TextAt(echoed, "choices.0.text"), text);
  if (At(echoed, "choices.0.logprobs.tokens").Text() ==
      At(generated, "choices.0.logprobs.tokens").Text()) {
    EXPECT_EQ(At(echoed, "choices.0.logprobs").Text(), At(generated, "choices.0.logprobs").Text());
  }
}

TEST_F(StoriesTest, EmbedsFourFormsInTwoFormats) {
  const auto embed = [&](const std::string& input, const std::string& more) {
    const AnswerPtr answer = Ask(Endpoint::kEmbeddings, R"({"input":)" + input + more + "}");
    EXPECT_EQ(answer->status(), 200) << answer->raw();
    return answer->body();
  };
  const openai::Value one = embed(R"("Lily")", "");
  ASSERT_EQ(At(one, "data.0.embedding").array()->size(), 64u);
  double length = 0;
  for (const openai::Value& number : ItemsAt(one, "data.0.embedding")) {
    length += number.number() * number.number();
  }
  EXPECT_NEAR(length, 1, 1e-5);
  const std::string tokens =
      TomsTokens(Ask(Endpoint::kTokenize, R"({"content":"Lily","add_special":true})"));
  const openai::Value two = embed("[" + tokens + "," + tokens + "]", "");
  EXPECT_EQ(At(two, "data").array()->size(), 2u);
  EXPECT_EQ(At(two, "data.1.embedding").Text(), At(two, "data.0.embedding").Text());
  EXPECT_EQ(At(embed(tokens, ""), "data.0.embedding").Text(), At(two, "data.0.embedding").Text());
  EXPECT_EQ(At(embed(R"(["Tom","Lily"])", ""), "data.1.embedding").Text(),
            At(one, "data.0.embedding").Text());
  EXPECT_EQ(TextAt(embed(R"("Lily")", R"(,"encoding_format":"base64")"), "data.0.embedding").size(),
            (64u * 4 + 2) / 3 * 4);
  EXPECT_GT(WholeAt(one, "usage.prompt_tokens"), 1);
}

TEST_F(StoriesTest, TokensAndBack) {
  const openai::Value body =
      Ask(Endpoint::kTokenize, R"({"content":"One day","with_pieces":true})")->body();
  std::string pieces;
  for (const openai::Value& token : ItemsAt(body, "tokens")) pieces += TextAt(token, "piece");
  EXPECT_EQ(pieces, " One day");
  const std::string tokens =
      TomsTokens(Ask(Endpoint::kTokenize, R"({"content":"One day, café","add_special":true})"));
  EXPECT_EQ(TextAt(Ask(Endpoint::kDetokenize, R"({"tokens":)" + tokens + "}")->body(), "content"),
            "One day, café");
}

// lm_eval asks for the names of these tokens, and then for the tokens of the names.
TEST_F(StoriesTest, TheEndOfTextsIsATokenByItsName) {
  const openai::Value info = Ask(Endpoint::kTokenizerInfo, "")->body();
  EXPECT_EQ(TextAt(info, "bos_token"), "\n<s>\n");
  ASSERT_EQ(TextAt(info, "eos_token"), "\n</s>\n");
  const auto tokens = [&](const char* body) { return TomsTokens(Ask(Endpoint::kTokenize, body)); };
  EXPECT_EQ(tokens(R"({"prompt":"\n</s>\n"})"), "[2]");
  EXPECT_NE(tokens(R"({"prompt":"\n</s>\n","parse_special":false})"), "[2]");
  EXPECT_NE(tokens(R"({"content":"\n</s>\n"})"), "[2]");
  EXPECT_EQ(Ask(Endpoint::kTokenize, R"({"prompt":"a","content":"a"})")->status(), 400);
}

TEST_F(StoriesTest, ModelsAndProps) {
  const openai::Value list = Ask(Endpoint::kModels, "")->body();
  EXPECT_EQ(TextAt(list, "data.0.id"), "stories");
  EXPECT_EQ(TextAt(list, "data.0.object"), "model");
  const auto answer = std::make_shared<RecordedAnswer>();
  service_->Submit({Endpoint::kModel, "stories", "", 0}, answer);
  ASSERT_TRUE(answer->WaitForEnd());
  EXPECT_EQ(TextAt(answer->body(), "id"), "stories");
  const auto missing = std::make_shared<RecordedAnswer>();
  service_->Submit({Endpoint::kModel, "gpt-4", "", 0}, missing);
  ASSERT_TRUE(missing->WaitForEnd());
  EXPECT_EQ(missing->status(), 404);
  EXPECT_EQ(TextAt(missing->body(), "error.code"), "model_not_found");
  EXPECT_EQ(WholeAt(Ask(Endpoint::kProps, "")->body(), "models.0.context"), 512);
}

TEST_F(ServiceTest, OfSeveralModelsAnUnknownOneIsNotFound) {
  const std::string path = WriteChatModel();
  Start({{"a", path}, {"b", path}});
  for (const char* name : {"a", "b"}) {
    const AnswerPtr answer = Ask(Endpoint::kCompletions, std::string(R"({"prompt":"x","model":")") +
                                                             name + R"(","max_tokens":2})");
    EXPECT_EQ(TextAt(answer->body(), "model"), name);
  }
  const AnswerPtr answer = Ask(Endpoint::kCompletions, R"({"prompt":"x","model":"c"})");
  EXPECT_EQ(answer->status(), 404);
  EXPECT_EQ(TextAt(answer->body(), "error.code"), "model_not_found");
  EXPECT_EQ(TextAt(answer->body(), "error.param"), "model");
}

}  // namespace
}  // namespace clamma_test
