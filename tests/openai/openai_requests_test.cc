// SPDX-License-Identifier: MIT
// What requests are refused for, what is ignored, and what cannot hurt.
#include <string>
#include <utility>
#include <vector>

#include "service_fixture.h"

namespace clamma_test {
namespace {

using openai::Endpoint;

class RequestsTest : public ServiceTest {
 protected:
  void SetUp() override {
    openai::Service::Options options;
    options.log = [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
    options.max_body_bytes = 1 << 20;
    Start({{"made", WriteChatModel()}}, options);
  }
  static std::string Body(const std::string& more) {
    return R"({"messages":[{"role":"user","content":"Hi"}],"max_tokens":1)" + more + "}";
  }
  void ExpectRefused(const AnswerPtr& answer, const std::string& param, const std::string& why) {
    EXPECT_EQ(answer->status(), 400) << why;
    EXPECT_EQ(TextAt(answer->body(), "error.type"), "invalid_request_error") << why;
    if (param.empty()) {
      EXPECT_TRUE(At(answer->body(), "error.param").is_null()) << why << answer->raw();
    } else {
      EXPECT_EQ(TextAt(answer->body(), "error.param"), param) << why << answer->raw();
    }
    EXPECT_NE(TextAt(answer->body(), "error.message"), "") << why;
  }

  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST_F(RequestsTest, AWrongTypeNamesTheParameter) {
  const std::vector<std::string> values = {"true", "\"x\"", "-3",    "1.5",
                                           "[]",   "{}",    "[[1]]", "1e300"};
  // Each with the values of the list above that it takes.
  const std::vector<std::pair<std::string, std::vector<std::string>>> parameters = {
      {"temperature", {"1.5"}},
      {"top_p", {}},
      {"top_k", {}},
      {"min_p", {}},
      {"n", {}},
      {"seed", {"-3"}},
      {"max_tokens", {}},
      {"max_completion_tokens", {}},
      {"frequency_penalty", {"1.5"}},
      {"presence_penalty", {"1.5"}},
      {"stop", {"\"x\"", "[]"}},
      {"stream", {"true"}},
      {"logprobs", {"true"}},
      {"top_logprobs", {}},
      {"logit_bias", {"{}"}},
      {"tools", {"[]"}},
      {"tool_choice", {}},
      {"parallel_tool_calls", {"true"}},
      {"reasoning_effort", {}},
      {"chat_template_kwargs", {"{}"}},
      {"cache_salt", {"\"x\""}},
      {"model", {"\"x\""}},
  };
  for (const auto& [name, taken] : parameters) {
    for (const std::string& value : values) {
      const std::string body = Body(",\"" + name + "\":" + value);
      const AnswerPtr answer = Chat(body);
      if (std::find(taken.begin(), taken.end(), value) != taken.end()) {
        EXPECT_EQ(answer->status(), 200) << body << answer->raw();
      } else {
        // Of a list the item is named.
        ExpectRefused(answer, name == "tools" && value == "[[1]]" ? "tools[0]" : name, body);
      }
    }
  }
}

TEST_F(RequestsTest, WhatWouldChangeTheAnswerIsRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> requests = {
      {R"(,"functions":[])", "functions"},
      {R"(,"function_call":"auto")", "function_call"},
      {R"(,"audio":{"voice":"x"})", "audio"},
      {R"(,"modalities":["text","audio"])", "modalities"},
      {R"(,"web_search_options":{})", "web_search_options"},
      {R"(,"chat_template":"x")", "chat_template"},
      {R"(,"chat_template_kwargs":{"messages":[]})", "chat_template_kwargs"},
      {R"(,"chat_template_kwargs":{"tools":[]})", "chat_template_kwargs"},
      {R"(,"verbosity":"low")", "verbosity"},
      {R"(,"logit_bias":{"99999999":1})", "logit_bias"},
      {R"(,"logit_bias":{"1":101})", "logit_bias"},
      {R"(,"n":17)", "n"},
      {R"(,"stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])",
       "stop"},
      {R"(,"stop":"")", "stop"},
      {R"(,"top_logprobs":3)", "top_logprobs"},
      {R"(,"stream_options":{})", "stream_options"},
      {R"(,"tool_choice":"required")", "tool_choice"},
      {R"(,"response_format":{"type":"xml"})", "response_format.type"},
      {R"(,"response_format":{"type":"json_schema"})", "response_format.json_schema"},
      {R"(,"response_format":{"type":"json_schema","json_schema":{"name":"x"}})",
       "response_format.json_schema.schema"},
  };
  for (const auto& [more, param] : requests) ExpectRefused(Chat(Body(more)), param, more);
}

TEST_F(RequestsTest, WrongMessagesAreNamed) {
  const std::vector<std::pair<std::string, std::string>> requests = {
      {R"({})", "messages"},
      {R"({"messages":[]})", "messages"},
      {R"({"messages":"x"})", "messages"},
      {R"({"messages":[1]})", "messages[0]"},
      {R"({"messages":[{"content":"x"}]})", "messages[0].role"},
      {R"({"messages":[{"role":"king","content":"x"}]})", "messages[0].role"},
      {R"({"messages":[{"role":"user"}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":5}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":"a\u0000b"}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages":[{"role":"user","content":[{"type":"input_audio"}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages":[{"role":"tool","content":"x"}]})", "messages[0].tool_call_id"},
      {R"({"messages":[{"role":"assistant"}]})", "messages[0].content"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"id":"1"}]}]})",
       "messages[0].tool_calls[0].function"},
  };
  for (const auto& [body, param] : requests) ExpectRefused(Chat(body), param, body);
}

TEST_F(RequestsTest, UnknownNamesAreIgnoredWithALogLine) {
  const AnswerPtr answer = Chat(Body(R"(,"frobnicate":1,"user":"u","metadata":{"a":"b"},)"
                                     R"("service_tier":"auto","store":true)"));
  EXPECT_EQ(answer->status(), 200) << answer->raw();
  const std::lock_guard lock(mutex_);
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0], "chat_completions: ignored, as unknown: \"frobnicate\"");
}

TEST_F(RequestsTest, CompletionsRefuseByName) {
  const std::vector<std::pair<std::string, std::string>> requests = {
      {R"({"prompt":"x","best_of":2})", "best_of"},
      {R"({"prompt":"x","suffix":"y"})", "suffix"},
      {R"({"prompt":[]})", "prompt"},
      {R"({"prompt":[[]]})", "prompt[0]"},
      {R"({"prompt":[1.5]})", "prompt[0]"},
      {R"({"prompt":[99999999]})", "prompt[0]"},
      {R"({"prompt":{}})", "prompt"},
      {R"({"prompt":"x","logprobs":21})", "logprobs"},
      {R"({"prompt":"x","max_tokens":-1})", "max_tokens"}};
  for (const auto& [body, param] : requests) {
    ExpectRefused(Ask(Endpoint::kCompletions, body), param, body);
  }
  EXPECT_EQ(Ask(Endpoint::kCompletions, R"({"prompt":"x","best_of":1,"suffix":"","max_tokens":1})")
                ->status(),
            200);
}

TEST_F(RequestsTest, HostileBodiesGetAReason) {
  const std::vector<std::string> bodies = {
      "",        "x",     "{\"messages\":",         "[]",
      "null",    "\"x\"", std::string(100000, '['), "{\"messages\":" + std::string(100000, '{'),
      "\xff\xfe"};
  for (const std::string& body : bodies) {
    ExpectRefused(Chat(body), "", body.substr(0, 20));
  }
  EXPECT_EQ(Chat(std::string((1 << 20) + 1, ' '))->status(), 413);
  std::string repeated = R"({"messages":[{"role":"user","content":"x"}],"max_tokens":1)";
  for (int i = 0; i < 50000; ++i) repeated += ",\"k" + std::to_string(i) + "\":0";
  EXPECT_EQ(Chat(repeated + "}")->status(), 200);
}

TEST_F(RequestsTest, AnInvalidSchemaIsRefusedWithItsPlace) {
  const AnswerPtr answer = Chat(Body(R"(,"response_format":{"type":"json_schema","json_schema":)"
                                     R"({"name":"x","schema":{"type":"nonsense"}}})"));
  EXPECT_EQ(answer->status(), 400);
  EXPECT_NE(TextAt(answer->body(), "error.message").find("/type"), std::string::npos)
      << answer->raw();
}

// ---- Responses ----

TEST_F(RequestsTest, ResponsesAnswerWithOneBody) {
  const openai::Value body =
      Ask(Endpoint::kResponses, R"({"input":"Hi","instructions":"Be brief","max_output_tokens":8,)"
                                R"("seed":2,"metadata":{"a":"b"}})")
          ->body();
  EXPECT_EQ(TextAt(body, "object"), "response");
  EXPECT_EQ(TextAt(body, "status"), "incomplete");
  EXPECT_EQ(TextAt(body, "incomplete_details.reason"), "max_output_tokens");
  EXPECT_EQ(TextAt(body, "output.0.type"), "message");
  EXPECT_EQ(TextAt(body, "output.0.content.0.type"), "output_text");
  EXPECT_EQ(TextAt(body, "metadata.a"), "b");
  EXPECT_EQ(TextAt(body, "instructions"), "Be brief");
  EXPECT_EQ(WholeAt(body, "usage.output_tokens"), 8);
  EXPECT_EQ(At(body, "store").Text(), "false");
}

TEST_F(RequestsTest, ResponsesStreamNumberedEventsInOrder) {
  const std::string request = R"({"input":[{"role":"user","content":[{"type":"input_text",)"
                              R"("text":"Hi"}]}],"max_output_tokens":8,"seed":2)";
  const openai::Value whole = Ask(Endpoint::kResponses, request + "}")->body();
  const AnswerPtr stream = Ask(Endpoint::kResponses, request + R"(,"stream":true})");
  std::string order;
  std::string text;
  int64_t number = 0;
  for (const RecordedAnswer::Event& event : stream->events()) {
    openai::Value value;
    std::string reason;
    ASSERT_TRUE(openai::ParseJson(event.data, {}, &value, &reason)) << reason << event.data;
    EXPECT_EQ(TextAt(value, "type"), event.name);
    EXPECT_EQ(WholeAt(value, "sequence_number"), number++);
    if (event.name == "response.output_text.delta") {
      text += TextAt(value, "delta");
      if (order.ends_with("delta ")) continue;
    }
    order += event.name.substr(9) + " ";
  }
  EXPECT_EQ(order,
            "created in_progress output_item.added content_part.added output_text.delta "
            "output_text.done content_part.done output_item.done incomplete ");
  EXPECT_EQ(text, TextAt(whole, "output.0.content.0.text"));
}

TEST_F(RequestsTest, ResponsesRefuseWhatNeedsAStore) {
  const std::vector<std::pair<std::string, std::string>> requests = {
      {R"({"input":"x","previous_response_id":"resp_1"})", "previous_response_id"},
      {R"({"input":"x","background":true})", "background"},
      {R"({"input":"x","conversation":"c"})", "conversation"},
      {R"({"input":"x","truncation":"auto"})", "truncation"},
      {R"({"input":[{"type":"item_reference","id":"x"}]})", "input[0].type"},
      {R"({"input":[{"type":"web_search_call"}]})", "input[0].type"},
      {R"({"input":"x","tools":[{"type":"web_search"}]})", "tools[0].type"},
      {R"({})", "input"}};
  for (const auto& [body, param] : requests) {
    ExpectRefused(Ask(Endpoint::kResponses, body), param, body);
  }
}

}  // namespace
}  // namespace clamma_test
