// SPDX-License-Identifier: MIT
// Tool calls of a whole service: whatever a model writes, calls that must come are valid by the
// schemas of the tools.
#include <algorithm>

#include "service_fixture.h"

namespace clamma_test {
namespace {

using openai::Endpoint;

constexpr char kTools[] =
    R"("tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object",)"
    R"("properties":{"where":{"$ref":"#/$defs/place"}},"required":["where"],)"
    R"("additionalProperties":false,"$defs":{"place":{"enum":["Rome","Oslo"]}}}}},)"
    R"({"type":"function","function":{"name":"now"}}])";

class ToolsTest : public ServiceTest {
 protected:
  static std::string Body(const std::string& more) {
    return std::string(R"({"messages":[{"role":"user","content":"Hi"}],"max_tokens":400,)") +
           kTools + more + "}";
  }
};

TEST_F(ToolsTest, ACallThatIsNamedComesAndIsValid) {
  for (const char* chat_template : {kTemplate, "{{ messages[-1].content }}"}) {
    Start({{"made", WriteChatModel(chat_template, 2048)}});
    for (const int seed : {1, 2, 3, 4}) {
      const AnswerPtr answer =
          Chat(Body(R"(,"tool_choice":{"type":"function","function":{"name":"weather"}},"seed":)" +
                    std::to_string(seed)));
      const openai::Value body = answer->body();
      EXPECT_EQ(TextAt(body, "choices.0.finish_reason"), "tool_calls") << answer->raw();
      EXPECT_TRUE(At(body, "choices.0.message.content").is_null());
      ASSERT_EQ(ItemsAt(body, "choices.0.message.tool_calls").size(), 1u);
      EXPECT_EQ(TextAt(body, "choices.0.message.tool_calls.0.type"), "function");
      EXPECT_EQ(TextAt(body, "choices.0.message.tool_calls.0.function.name"), "weather");
      const std::string arguments =
          TextAt(body, "choices.0.message.tool_calls.0.function.arguments");
      openai::Value value;
      std::string reason;
      ASSERT_TRUE(openai::ParseJson(arguments, {}, &value, &reason)) << reason << arguments;
      const std::string where = TextAt(value, "where");
      EXPECT_TRUE(where == "Rome" || where == "Oslo") << arguments;
    }
  }
}

// Control tokens have no text, and calls are found all the same: the name and the arguments of
// those that a model writes with the tokens of its format, whole and streamed.
TEST_F(ToolsTest, CallsBetweenControlTokensComeWholeAndInDeltas) {
  struct Case {
    std::string marks;
    std::vector<std::string> controls;
    bool has_short_ids;
  };
  for (const Case& each :
       {Case{"[TOOL_CALLS]", {"[TOOL_CALLS]"}, true},
        Case{"[TOOL_CALLS][ARGS]", {"[TOOL_CALLS]", "[ARGS]"}, true},
        Case{"[TOOL_CALLS][CALL_ID][ARGS]", {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"}, true},
        Case{"<tool_call>", {"<tool_call>", "</tool_call>"}, false},
        Case{"<|channel|>",
             {"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|return|>",
              "<|call|>"},
             false}}) {
    SCOPED_TRACE(each.marks);
    std::vector<GgufToken> controls;
    for (const std::string& name : each.controls) controls.push_back({name, kControl});
    const std::string chat_template =
        "{% if tools %}{% endif %}{{ messages[-1].content }}{# " + each.marks + " #}" +
        (each.marks == "<|channel|>" ? "{{ '<|start|>assistant' }}" : "");
    Start({{"made",
            folder_.Write("chat.gguf", MakeChatModel(chat_template, 2048, controls).Build())}});
    for (const int seed : {1, 2, 3}) {
      const std::string request = Body(R"(,"tool_choice":{"type":"function","function":{"name":)"
                                       R"("weather"}},"seed":)" +
                                       std::to_string(seed));
      const openai::Value whole = Chat(request)->body();
      const std::string call = "choices.0.message.tool_calls.0.";
      EXPECT_EQ(TextAt(whole, "choices.0.finish_reason"), "tool_calls") << whole.Text();
      EXPECT_TRUE(At(whole, "choices.0.message.content").is_null()) << whole.Text();
      EXPECT_EQ(TextAt(whole, call + "function.name"), "weather");
      EXPECT_EQ(TextAt(whole, call + "id").size() == 9, each.has_short_ids);
      const std::string arguments = TextAt(whole, call + "function.arguments");
      openai::Value value;
      std::string reason;
      ASSERT_TRUE(openai::ParseJson(arguments, {}, &value, &reason)) << reason << arguments;
      const std::string where = TextAt(value, "where");
      EXPECT_TRUE(where == "Rome" || where == "Oslo") << arguments;

      const std::vector<openai::Value> chunks =
          ChunksOf(Chat(std::string(request).insert(1, R"("stream":true,)")));
      std::string streamed;
      std::string name;
      for (const openai::Value& chunk : chunks) {
        for (const openai::Value& delta : ItemsAt(chunk, "choices.0.delta.tool_calls")) {
          if (delta.Find("id") != nullptr) name += TextAt(delta, "function.name");
          streamed += TextAt(delta, "function.arguments");
        }
      }
      EXPECT_EQ(name, "weather");
      EXPECT_EQ(streamed, arguments);
      EXPECT_EQ(Joined(chunks, "delta.content"), "");
    }
  }
}

TEST_F(ToolsTest, AFormatIsThatOfTheFinalChannel) {
  const std::vector<GgufToken> controls = {{"<|start|>", kControl},   {"<|channel|>", kControl},
                                           {"<|message|>", kControl}, {"<|constrain|>", kControl},
                                           {"<|end|>", kControl},     {"<|return|>", kControl},
                                           {"<|call|>", kControl}};
  const char* const chat_template =
      "{{ messages[-1].content }}{# <|channel|> #}{{ '<|start|>assistant' }}";
  Start(
      {{"made", folder_.Write("chat.gguf", MakeChatModel(chat_template, 2048, controls).Build())}});
  // A random model ends its thoughts only if it is made to.
  const openai::Value body =
      Chat(R"({"messages":[{"role":"user","content":"Hi"}],"seed":5,"logit_bias":{"263":8},)"
           R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":)"
           R"({"const":"yes"}}}})")
          ->body();
  EXPECT_EQ(TextAt(body, "choices.0.message.content"), "\"yes\"") << body.Text();
  EXPECT_EQ(TextAt(body, "choices.0.finish_reason"), "stop");
}

TEST_F(ToolsTest, SeveralRequiredCallsComeWhereTheyMay) {
  Start({{"made", WriteChatModel(kTemplate, 8192)}});
  size_t most = 0;
  for (const int seed : {1, 2, 3, 4}) {
    const std::string more = R"(,"tool_choice":"required","seed":)" + std::to_string(seed);
    most = std::max(most, ItemsAt(Chat(Body(more))->body(), "choices.0.message.tool_calls").size());
    const openai::Value one = Chat(Body(more + R"(,"parallel_tool_calls":false)"))->body();
    EXPECT_EQ(ItemsAt(one, "choices.0.message.tool_calls").size(), 1u) << one.Text();
  }
  EXPECT_GT(most, 1u);
}

TEST_F(ToolsTest, StreamedDeltasMakeTheSameCall) {
  Start({{"made", WriteChatModel(kTemplate, 2048)}});
  const std::string request = Body(R"(,"tool_choice":"required","parallel_tool_calls":false,)"
                                   R"("seed":9,"logit_bias":{"0":0})");
  const openai::Value whole = Chat(request)->body();
  std::string streamed = request;
  streamed.insert(1, R"("stream":true,)");
  std::string name;
  std::string arguments;
  size_t n_ids = 0;
  const std::vector<openai::Value> chunks = ChunksOf(Chat(streamed));
  for (const openai::Value& chunk : chunks) {
    for (const openai::Value& call : ItemsAt(chunk, "choices.0.delta.tool_calls")) {
      EXPECT_EQ(WholeAt(call, "index"), 0);
      if (call.Find("id") != nullptr) ++n_ids;
      if (call.Find("id") != nullptr) name = TextAt(call, "function.name");
      arguments += TextAt(call, "function.arguments");
    }
  }
  EXPECT_EQ(n_ids, 1u);
  EXPECT_EQ(name, TextAt(whole, "choices.0.message.tool_calls.0.function.name"));
  EXPECT_EQ(arguments, TextAt(whole, "choices.0.message.tool_calls.0.function.arguments"));
  EXPECT_EQ(Joined(chunks, "delta.content"), "");
}

TEST_F(ToolsTest, WithoutAChoiceTheModelMayAnswer) {
  Start({{"made", WriteChatModel(kTemplate, 2048)}});
  for (const char* choice :
       {R"(,"tool_choice":"auto","seed":1)", R"(,"tool_choice":"none","seed":1)"}) {
    const openai::Value body = Chat(Body(choice))->body();
    EXPECT_NE(TextAt(body, "choices.0.finish_reason"), "tool_calls");
    EXPECT_EQ(body.Find("choices")->array()->front().Find("message")->Find("tool_calls"), nullptr);
  }
}

TEST_F(ToolsTest, ResponsesHaveFunctionCalls) {
  Start({{"made", WriteChatModel("{{ messages[-1].content }}", 2048)}});
  const openai::Value body =
      Ask(Endpoint::kResponses,
          R"({"input":[{"role":"user","content":"Hi"},{"type":"function_call","call_id":"c1",)"
          R"("name":"now","arguments":"{}"},{"type":"function_call_output","call_id":"c1",)"
          R"("output":"noon"}],"tool_choice":"required","seed":3,"tools":[{"type":"function",)"
          R"("name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"const":1}},)"
          R"("required":["a"],"additionalProperties":false}}]})")
          ->body();
  EXPECT_EQ(TextAt(body, "status"), "completed") << body.Text();
  EXPECT_EQ(TextAt(body, "output.0.type"), "function_call");
  EXPECT_EQ(TextAt(body, "output.0.name"), "f");
  EXPECT_EQ(TextAt(body, "output.0.arguments"), R"({"a":1})");
  EXPECT_TRUE(TextAt(body, "output.0.call_id").starts_with("call_"));
}

TEST_F(ToolsTest, WrongToolsAreNamed) {
  Start({{"made", WriteChatModel()}});
  const std::vector<std::pair<std::string, std::string>> requests = {
      {R"("tools":[{"type":"retrieval"}])", "tools[0].type"},
      {R"("tools":[{"type":"function"}])", "tools[0].function"},
      {R"("tools":[{"type":"function","function":{"name":"a b"}}])", "tools[0].function.name"},
      {R"("tools":[{"type":"function","function":{"name":"a","parameters":[]}}])",
       "tools[0].function.parameters"},
      {R"("tools":[{"type":"function","function":{"name":"a"}},)"
       R"({"type":"function","function":{"name":"a"}}])",
       "tools[1]"},
      {R"("tools":[{"type":"function","function":{"name":"a"}}],)"
       R"("tool_choice":{"type":"function","function":{"name":"b"}})",
       "tool_choice"}};
  for (const auto& [more, param] : requests) {
    const AnswerPtr answer = Chat(R"({"messages":[{"role":"user","content":"Hi"}],)" + more + "}");
    EXPECT_EQ(answer->status(), 400) << more;
    EXPECT_EQ(TextAt(answer->body(), "error.param"), param) << answer->raw();
  }
}

}  // namespace
}  // namespace clamma_test
