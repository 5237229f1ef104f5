// SPDX-License-Identifier: MIT
// What the README promises of answers: the same request with the same seed gets the same answer,
// alone or among others, with the prefix cache cold or warm; and what prepares a request holds up
// neither its sender nor the texts that are generated.
#include <atomic>
#include <thread>

#include "service_fixture.h"

namespace clamma_test {
namespace {

using openai::Endpoint;
using openai::Value;
using Options = openai::Service::Options;

constexpr char kTools[] =
    R"(,"tools":[{"type":"function","function":{"name":"tell","parameters":{"type":"object",)"
    R"("properties":{"who":{"enum":["Tom","Lily"]},"days":{"type":"integer","minimum":1,)"
    R"("maximum":99}},"required":["who","days"],"additionalProperties":false}}}])";

struct Asked {
  Endpoint endpoint;
  std::string body;
};

std::string ChatBody(const std::string& text, const std::string& more) {
  return R"({"messages":[{"role":"system","content":"You tell stories to children who are four."},)"
         R"({"role":"user","content":")" +
         text + R"("}],"max_tokens":48)" + more + "}";
}

// Whole answers and streams of all endpoints that generate.
std::vector<Asked> Questions() {
  return {
      {Endpoint::kChatCompletions,
       ChatBody("Tell me of Tom.", R"(,"seed":7,"logprobs":true,"top_logprobs":3,"n":2)")},
      {Endpoint::kChatCompletions,
       ChatBody("Tell me of Tom.", R"(,"seed":8,"temperature":1.3,"stream":true,)"
                                   R"("stream_options":{"include_usage":true})")},
      {Endpoint::kChatCompletions,
       ChatBody("And Lily?", std::string(R"(,"seed":9,"tool_choice":"required")") + kTools)},
      {Endpoint::kChatCompletions,
       ChatBody("And Lily?",
                std::string(R"(,"seed":9,"tool_choice":"auto","stop":["ly"])") + kTools)},
      {Endpoint::kChatCompletions,
       ChatBody("As JSON!", R"(,"seed":10,"response_format":{"type":"json_object"})")},
      {Endpoint::kCompletions,
       R"({"prompt":["Once upon a time","One day"],"max_tokens":40,"seed":11,"logprobs":2,)"
       R"("echo":true,"frequency_penalty":0.5})"},
      {Endpoint::kResponses, R"({"input":"Tell me of Tom.","max_output_tokens":40,"seed":12})"}};
}

// Drops what differs by nature.
void Normalise(Value* value) {
  if (Value::Array* list = value->array()) {
    for (Value& item : *list) Normalise(&item);
  }
  if (value->object() == nullptr) return;
  std::erase_if(*value->object(), [](const openai::Member& member) {
    return member.name == "id" || member.name == "created" || member.name == "created_at" ||
           member.name == "call_id" || member.name == "cached_tokens";
  });
  for (openai::Member& member : *value->object()) Normalise(&member.value);
}

std::string Normalised(const std::string& json) {
  if (json == "[DONE]") return json;
  Value value;
  std::string reason;
  EXPECT_TRUE(openai::ParseJson(json, {}, &value, &reason)) << reason << json;
  Normalise(&value);
  return value.Text();
}

// An answer without what differs by nature. Of a stream, the texts of deltas are put together.
std::string Told(const AnswerPtr& answer) {
  std::string told = std::to_string(answer->status()) + "\n";
  if (!answer->streams()) return told + Normalised(answer->raw());
  std::string text;
  for (const auto& event : answer->events()) {
    const std::string chunk = Normalised(event.data);
    const size_t content = chunk.find(R"("delta":{"content":")");
    if (content == std::string::npos) {
      told += text + "\n" + chunk + "\n";
      text.clear();
      continue;
    }
    const size_t begin = content + 20;
    text += chunk.substr(begin, chunk.find(R"("},"logprobs)", begin) - begin);
  }
  return told + text;
}

class ExactnessTest : public ServiceTest {
 protected:
  void SetUp() override { CLAMMA_NEED_FILE(ModelPath("stories260K.bin")); }
  void StartStories(uint64_t cache) {
    Options options;
    options.prefix_cache_bytes = cache;
    options.sessions = 16;
    Start({{"stories", ModelPath("stories260K.bin"), ModelPath("tok512.bin")}}, options);
  }
};

TEST_F(ExactnessTest, AnAnswerIsTheSameAloneAmongOthersColdAndWarm) {
  const std::vector<Asked> questions = Questions();
  std::vector<std::string> expected;
  for (const Asked& asked : questions) {
    StartStories(0);  // cold, and alone
    expected.push_back(Told(Ask(asked.endpoint, asked.body)));
    EXPECT_TRUE(expected.back().starts_with("200\n")) << expected.back();
  }
  StartStories(size_t{1} << 26);
  for (const char* state : {"cold", "warm"}) {
    for (size_t i = 0; i < questions.size(); ++i) {
      EXPECT_EQ(Told(Ask(questions[i].endpoint, questions[i].body)), expected[i])
          << "alone, " << state << ": " << questions[i].body;
    }
  }
  for (const uint64_t cache : {uint64_t{0}, uint64_t{1} << 26}) {
    StartStories(cache);
    for (int round = 0; round < 3; ++round) {
      std::vector<Sent> sent;
      for (size_t i = 0; i < 16; ++i) {
        const Asked& asked = questions[(i * 5 + static_cast<size_t>(round)) % questions.size()];
        sent.push_back(Submit(asked.endpoint, asked.body, i % 2));
      }
      for (size_t i = 0; i < 16; ++i) {
        const size_t which = (i * 5 + static_cast<size_t>(round)) % questions.size();
        ASSERT_TRUE(sent[i].answer->WaitForEnd());
        EXPECT_EQ(Told(sent[i].answer), expected[which])
            << "among others, round " << round << ", cache " << cache << ": "
            << questions[which].body;
      }
    }
  }
}

// --- What runs where ---

// Takes seconds to compile: each property is a schema of its own.
std::string SlowSchema() {
  std::string schema = R"({"type":"object","properties":{)";
  for (int p = 0; p < 120; ++p) {
    schema += (p > 0 ? ",\"p" : "\"p") + std::to_string(p) + R"(":{"allOf":[)";
    for (int i = 0; i < 8; ++i) {
      schema += R"({"anyOf":[{"minLength":1},{"maxLength":)" + std::to_string(9 + i + p) + "}]},";
    }
    schema += R"({"type":"string"}]})";
  }
  return schema + "}}";
}

// Notes the threads on which it is called.
class ThreadAnswer : public RecordedAnswer {
 public:
  void Begin(int status, const std::vector<openai::Header>& headers,
             bool streams) noexcept override {
    begun_on_ = std::this_thread::get_id();
    RecordedAnswer::Begin(status, headers, streams);
  }
  bool Send(std::string_view event, std::string data) noexcept override {
    sent_on_ = std::this_thread::get_id();
    return RecordedAnswer::Send(event, std::move(data));
  }
  std::thread::id begun_on() const { return begun_on_; }
  std::thread::id sent_on() const { return sent_on_; }

 private:
  std::atomic<std::thread::id> begun_on_, sent_on_;
};

class OrderTest : public ServiceTest {
 protected:
  std::shared_ptr<ThreadAnswer> SubmitTo(const std::string& body) {
    auto answer = std::make_shared<ThreadAnswer>();
    service_->Submit({Endpoint::kChatCompletions, "", body, 0}, answer);
    return answer;
  }
};

TEST_F(OrderTest, ASchemaThatTakesLongHoldsUpNeitherItsSenderNorTheTextsThatAreGenerated) {
  Start({{"made", WriteChatModel(kTemplate, 16384)}});
  const std::string endless =
      R"({"messages":[{"role":"user","content":"Hi"}],"stream":true,"logit_bias":{")" +
      std::to_string(kEnd) + R"(":-100}})";
  const auto running = SubmitTo(endless);
  ASSERT_TRUE(running->WaitForEvents(3));
  const auto slow =
      SubmitTo(R"({"messages":[{"role":"user","content":"Hi"}],"max_tokens":1,"response_format":)"
               R"({"type":"json_schema","json_schema":{"name":"s","schema":)" +
               SlowSchema() + "}}}");
  EXPECT_EQ(slow->status(), 0) << "Submit() has not waited for it";
  // Tokens arrive, another request is prepared, answered and ended, all before the slow one begins.
  const size_t before = running->events().size();
  ASSERT_TRUE(running->WaitForEvents(before + 100));
  EXPECT_EQ(slow->status(), 0) << "100 tokens come first";
  const auto quick = SubmitTo(R"({"messages":[{"role":"user","content":"Hi"}],"max_tokens":3})");
  ASSERT_TRUE(quick->WaitForEnd());
  EXPECT_EQ(slow->status(), 0) << "a whole request comes first";
  ASSERT_TRUE(slow->WaitForEnd());
  EXPECT_NE(slow->status(), 0);
}

TEST_F(OrderTest, RequestsArePreparedOnOtherThreadsThanTheOneThatSteps) {
  Start({{"made", WriteChatModel(kTemplate, 16384)}});
  const auto running =
      SubmitTo(R"({"messages":[{"role":"user","content":"Hi"}],"stream":true,"max_tokens":200})");
  // What is refused is refused where it was found: by the parser, the template, the tokenizer, and
  // the compiler of schemas.
  const std::vector<std::string> refused = {
      "[", R"({"messages":[{"role":"nobody","content":"x"}]})",
      R"({"messages":[{"role":"user","content":")" + std::string(20000, 'x') + "\"}]}",
      R"({"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema",)"
      R"("json_schema":{"name":"s","strict":true,"schema":{"not":{}}}}})"};
  for (const std::string& body : refused) {
    const auto answer = SubmitTo(body);
    ASSERT_TRUE(answer->WaitForEnd());
    EXPECT_EQ(answer->status(), 400) << body.substr(0, 100);
    EXPECT_NE(answer->begun_on(), std::this_thread::get_id());
    ASSERT_TRUE(running->WaitForEvents(3));
    EXPECT_NE(answer->begun_on(), running->sent_on()) << body.substr(0, 100);
  }
  ASSERT_TRUE(running->WaitForEnd());
}

// --- Turns ---

TEST_F(OrderTest, ManyPromptsOfARequestDoNotHoldUpOthers) {
  Options options;
  options.sessions = 1;
  Start({{"made", WriteChatModel(kTemplate, 512)}}, options);
  std::string prompts = R"("x")";
  for (int i = 1; i < 300; ++i) prompts += R"(,"x")";
  const auto many = std::make_shared<RecordedAnswer>();
  service_->Submit({Endpoint::kCompletions, "",
                    R"({"prompt":[)" + prompts + R"(],"max_tokens":20,"stream":true})", 0},
                   many);
  ASSERT_TRUE(many->WaitForEvents(5));
  const AnswerPtr one = Chat(R"({"messages":[{"role":"user","content":"Hi"}],"max_tokens":3})");
  EXPECT_EQ(one->status(), 200);
  EXPECT_FALSE(many->ended()) << "it takes its turn among 300 prompts";
  ASSERT_TRUE(many->WaitForEnd());
}

}  // namespace
}  // namespace clamma_test
