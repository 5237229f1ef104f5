// SPDX-License-Identifier: MIT
// The parsers of calls, for texts that come in pieces of any size.
#include "call_formats.h"

namespace clamma_test {
namespace {

using openai::ToolFormat;

void ExpectCalls(ToolFormat format, const std::string& text, const std::string& content,
                 const std::vector<std::string>& calls) {
  openai::Prompt prompt;
  prompt.messages.emplace_back();
  openai::Constraint constraint;
  openai::ShownMarks marks;
  const openai::CallSyntax syntax = {format, [](std::string_view) { return -1; }, true};
  const auto make = openai::SetUpTools(syntax, Tools(), &prompt, &constraint, &marks);
  const bool is_mistral = format == ToolFormat::kMistral || format == ToolFormat::kMistralNamed;
  ForAllCuts(text, [&](const std::vector<std::string>& pieces) {
    const auto parser = make();
    const Parsed parsed = Parse(*parser, pieces);
    EXPECT_EQ(parsed.content, content) << text << " in " << pieces.size();
    EXPECT_EQ(parsed.calls, calls) << text << " in " << pieces.size();
    for (const std::string& id : parsed.ids) {
      if (is_mistral) {
        EXPECT_EQ(id.size(), 9u);
        EXPECT_EQ(id.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "abcdefghijklmnopqrstuvwxyz"),
                  std::string::npos);
      } else {
        EXPECT_TRUE(id.starts_with("call_")) << id;
      }
    }
  });
}

TEST(CallParser, CallsBetweenTags) {
  constexpr auto kFormat = ToolFormat::kTaggedJson;
  ExpectCalls(
      kFormat,
      "I look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"A}\\\"\"}}\n"
      "</tool_call>\n<tool_call>\n{\"arguments\": {\"a\": [1, 2]}, \"name\": \"now\"}\n"
      "</tool_call>",
      "I look.\n", {"weather({\"city\": \"A}\\\"\"})", "now({\"a\": [1, 2]})"});
  ExpectCalls(kFormat, "No <tool_cal here", "No <tool_cal here", {});
  ExpectCalls(kFormat, "<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>",
              "<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>", {});
  ExpectCalls(kFormat, "<tool_call>{\"name\":\"now\",\"arguments\":{\"a\":", "", {"now({\"a\":)"});
}

TEST(CallParser, CallsOfLlama3) {
  ExpectCalls(ToolFormat::kLlama3, R"({"name": "weather", "parameters": {"city": "Rome"}})", "",
              {R"(weather({"city": "Rome"}))"});
  ExpectCalls(ToolFormat::kLlama3,
              R"({"name": "now", "parameters": {}}; {"name": "now", "parameters": {"a": 1}})", "",
              {"now({})", R"(now({"a": 1}))"});
  ExpectCalls(ToolFormat::kLlama3, R"({"answer": 4})", R"({"answer": 4})", {});
  ExpectCalls(ToolFormat::kLlama3, "It rains.", "It rains.", {});
}

TEST(CallParser, CallsInAListBehindAMark) {
  ExpectCalls(ToolFormat::kMistral,
              R"(So. [TOOL_CALLS] [{"name": "now", "arguments": {"a": 1}, "id": "abcdefghi"}, )"
              R"({"name": "weather", "arguments": {}}])",
              "So. ", {R"(now({"a": 1}))", "weather({})"});
  ExpectCalls(ToolFormat::kMistral, R"([TOOL_CALLS][{"name":"now","arguments":{}}] Done)", "Done",
              {"now({})"});
  ExpectCalls(ToolFormat::kMistral, R"([{"name": "now", "arguments": {}}])",
              R"([{"name": "now", "arguments": {}}])", {});
}

TEST(CallParser, CallsWithTheNameBetweenMarks) {
  ExpectCalls(ToolFormat::kMistralNamed,
              R"(So. [TOOL_CALLS]now[ARGS]{"a": "}"}[TOOL_CALLS]weather[CALL_ID]abcdefghi[ARGS]{})",
              "So. ", {R"(now({"a": "}"}))", "weather({})"});
  ExpectCalls(ToolFormat::kMistralNamed, "[TOOL_CALLS]other[ARGS]{}", "[TOOL_CALLS]other[ARGS]{}",
              {});
  ExpectCalls(ToolFormat::kMistralNamed, "[TOOL_CALLS]now", "[TOOL_CALLS]now", {});
  ExpectCalls(ToolFormat::kMistralNamed, R"([TOOL_CALLS]now[ARGS]{"a")", "", {R"(now({"a"))"});
}

TEST(CallParser, CallsInQwen3CodersTags) {
  ExpectCalls(
      ToolFormat::kQwen3Coder,
      "Well.\n<tool_call>\n<function=weather>\n<parameter=city>\n12\n</parameter>\n"
      "<parameter=days>\n3\n</parameter>\n<parameter=well>\nFalse\n</parameter>\n"
      "<parameter=note>\nTrue\n</parameter>\n<parameter=other>\n[1, 2]\n</parameter>\n"
      "</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
      "Well.\n",
      {R"(weather({"city":"12","days":3,"well":false,"note":"True","other":[1,2]}))", "now({})"});
  ExpectCalls(ToolFormat::kQwen3Coder, "a < b and <fun", "a < b and <fun", {});
}

TEST(CallParser, TheTemplateSaysTheFormat) {
  EXPECT_EQ(openai::ToolFormatOf(""), ToolFormat::kGeneric);
  EXPECT_EQ(openai::ToolFormatOf("{{ tools }} <tool_call>"), ToolFormat::kTaggedJson);
  EXPECT_EQ(openai::ToolFormatOf("<tool_call> <function= <parameter="), ToolFormat::kQwen3Coder);
  EXPECT_EQ(openai::ToolFormatOf("<|channel|> tools"), ToolFormat::kChannels);
  EXPECT_EQ(openai::ToolFormatOf("[TOOL_CALLS] tools"), ToolFormat::kMistral);
  EXPECT_EQ(openai::ToolFormatOf("[TOOL_CALLS] [ARGS] tools"), ToolFormat::kMistralNamed);
  EXPECT_EQ(openai::ToolFormatOf("<|start_header_id|> tools"), ToolFormat::kLlama3);
}

}  // namespace
}  // namespace clamma_test
