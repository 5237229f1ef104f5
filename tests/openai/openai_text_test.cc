// SPDX-License-Identifier: MIT
// The parts of apps/openai that need no model: JSON, stop strings, reasoning, tool calls. Texts
// arrive in pieces; the result must not depend on where they are cut.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "openai/json_text.h"
#include "openai/json_value.h"
#include "openai/reasoning_split.h"
#include "openai/sampling.h"
#include "openai/stop_matcher.h"
#include "openai/tools/json_parser.h"
#include "openai/tools/tool_setup.h"
#include "openai/tools/xml_parser.h"

namespace clamma_test {
namespace {

using openai::Value;

// ---- JSON ----

std::string ReasonOf(const std::string& text, const openai::JsonLimits& limits = {}) {
  Value value;
  std::string reason;
  return openai::ParseJson(text, limits, &value, &reason) ? "" : reason;
}

std::string Again(const std::string& text) {
  Value value;
  std::string reason;
  return openai::ParseJson(text, {}, &value, &reason) ? value.Text() : reason;
}

TEST(OpenaiJsonTest, KeepsOrderAndNumbers) {
  for (const char* text :
       {R"({"b":1,"a":[true,false,null],"c":{"z":-5,"y":1.5}})", R"("\u0001\"\\é\n")",
        "18446744073709551615", "-9223372036854775808", "[]", "{}", "1e+300", "0.1"}) {
    EXPECT_EQ(Again(text), text);
  }
}

TEST(OpenaiJsonTest, OfMembersWithTheSameNameTheLastCounts) {
  EXPECT_EQ(Again(R"({"a":1,"b":2,"a":3,"c":4,"b":5})"), R"({"a":3,"c":4,"b":5})");
}

TEST(OpenaiJsonTest, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "[1,]", "{\"a\"}", "nul", "\"\\ud800\"", "\"\xff\"", "1 2",
                           "'a'", "{\"a\":1}}", "1e999"}) {
    EXPECT_NE(ReasonOf(text), "") << text;
  }
}

TEST(OpenaiJsonTest, LimitsDepthAndNumberOfValuesWhileItParses) {
  const std::string deep = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(ReasonOf(deep), "");
  EXPECT_EQ(ReasonOf("[" + deep + "]"), "it is nested more than 64 deep");
  EXPECT_EQ(ReasonOf(std::string(1000000, '[')), "it is nested more than 64 deep");
  EXPECT_EQ(ReasonOf("[1,2,3]", {.depth = 64, .values = 4}), "");
  EXPECT_EQ(ReasonOf("[1,2,3]", {.depth = 64, .values = 3}), "it has more than 3 values");
}

TEST(OpenaiJsonTest, WrittenTextIsAlwaysUtf8) {
  std::string out;
  openai::AppendQuoted("a\xffz\xc3\xa9\xed\xa0\x80\x01\t", &out);
  EXPECT_EQ(out, "\"a\xef\xbf\xbdz\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\u0001\\t\"");
}

// ---- Pieces ----

// Calls run(cut) for a text in one piece, character by character, and cut at each place.
void ForAllCuts(const std::string& text,
                const std::function<void(const std::vector<std::string>&)>& run) {
  run({text});
  std::vector<std::string> characters;
  for (const char c : text) characters.emplace_back(1, c);
  run(characters);
  for (size_t i = 1; i < text.size(); ++i) run({text.substr(0, i), text.substr(i)});
}

void ExpectStopped(const std::vector<std::string>& stops, const std::string& text,
                   const std::string& expected, bool stops_there) {
  ForAllCuts(text, [&](const std::vector<std::string>& pieces) {
    openai::StopMatcher matcher(stops);
    std::string out;
    bool stopped = false;
    for (const std::string& piece : pieces) {
      if (!stopped) stopped = matcher.Add(piece, &out);
    }
    if (!stopped) matcher.Finish(&out);
    EXPECT_EQ(out, expected) << text;
    EXPECT_EQ(stopped, stops_there) << text;
  });
}

TEST(OpenaiStopTest, EndsBeforeTheFirstStopStringThatIsComplete) {
  ExpectStopped({}, "abc", "abc", false);
  ExpectStopped({"END"}, "The ENEND of it", "The EN", true);
  ExpectStopped({"END"}, "The EN", "The EN", false);
  ExpectStopped({"bcd", "c"}, "abcd", "ab", true);
  ExpectStopped({"ab", "aab"}, "xaab", "x", true);
  ExpectStopped({"\n\n", "."}, "a\nb\n\nc", "a\nb", true);
}

void ExpectSplit(bool inside, const std::string& text, const std::string& reasoning,
                 const std::string& content) {
  ForAllCuts(text, [&](const std::vector<std::string>& pieces) {
    openai::ReasoningSplit split(inside);
    std::string thought;
    std::string said;
    for (const std::string& piece : pieces) split.Add(piece, &thought, &said);
    split.Finish(&thought, &said);
    EXPECT_EQ(thought, reasoning) << text;
    EXPECT_EQ(said, content) << text;
  });
}

TEST(OpenaiReasoningTest, IsWhatStandsBetweenTheMarksAtTheBeginning) {
  ExpectSplit(false, "<think>\nLet me see.\n\nYes.\n</think>\n\nIt is 4.\n", "Let me see.\n\nYes.",
              "It is 4.\n");
  ExpectSplit(true, "\nLet me see.</think>It is 4.", "Let me see.", "It is 4.");
  ExpectSplit(false, "\n<think></think>Hi", "", "Hi");
  ExpectSplit(false, "Hello <think>no</think>", "", "Hello <think>no</think>");
  ExpectSplit(false, "  <thin air", "", "  <thin air");
  ExpectSplit(false, "<think>a < b </ c", "a < b </ c", "");
  ExpectSplit(true, "never ends \n", "never ends \n", "");
}

// ---- Tool calls ----

// What came of a text: content, and calls as "name(arguments)".
struct Parsed {
  std::string content;
  std::vector<std::string> calls;
  std::vector<std::string> ids;
};

Parsed Parse(openai::ToolParser& parser, const std::vector<std::string>& pieces) {
  Parsed parsed;
  std::vector<openai::ToolDelta> deltas;
  for (const std::string& piece : pieces) parser.Add(piece, &parsed.content, &deltas);
  parser.Finish(&parsed.content, &deltas);
  for (const openai::ToolDelta& delta : deltas) {
    if (!delta.name.empty()) {
      EXPECT_EQ(delta.index, parsed.calls.size());
      parsed.calls.push_back(delta.name + "(");
      parsed.ids.push_back(delta.id);
    }
    EXPECT_EQ(delta.index + 1, parsed.calls.size());
    if (!parsed.calls.empty()) parsed.calls.back() += delta.arguments;
  }
  for (std::string& call : parsed.calls) call += ")";
  return parsed;
}

openai::ToolChoice Tools() {
  openai::ToolChoice choice;
  choice.mode = openai::ToolMode::kAuto;
  std::string reason;
  for (const char* name : {"weather", "sum"}) {
    openai::Tool tool;
    tool.name = name;
    openai::ParseJson(
        R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}})",
        {}, &tool.parameters, &reason);
    choice.tools.push_back(tool);
  }
  choice.template_tools = "[]";
  return choice;
}

void ExpectCalls(openai::ToolFormat format, const std::string& text, const std::string& content,
                 const std::vector<std::string>& calls) {
  openai::Prompt prompt;
  prompt.messages.emplace_back();
  openai::Constraint constraint;
  const auto make = openai::SetUpTools(format, Tools(), &prompt, &constraint);
  ForAllCuts(text, [&](const std::vector<std::string>& pieces) {
    const auto parser = make();
    const Parsed parsed = Parse(*parser, pieces);
    EXPECT_EQ(parsed.content, content) << text << " in " << pieces.size();
    EXPECT_EQ(parsed.calls, calls) << text << " in " << pieces.size();
    for (const std::string& id : parsed.ids) {
      if (format == openai::ToolFormat::kMistral) {
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

TEST(OpenaiToolsTest, CallsBetweenTags) {
  constexpr auto kFormat = openai::ToolFormat::kTaggedJson;
  ExpectCalls(
      kFormat,
      "I look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"A}\\\"\"}}\n"
      "</tool_call>\n<tool_call>\n{\"arguments\": {\"a\": [1, 2]}, \"name\": \"sum\"}\n"
      "</tool_call>",
      "I look.\n", {"weather({\"city\": \"A}\\\"\"})", "sum({\"a\": [1, 2]})"});
  ExpectCalls(kFormat, "No <tool_cal here", "No <tool_cal here", {});
  ExpectCalls(kFormat, "<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>",
              "<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>", {});
  ExpectCalls(kFormat, "<tool_call>{\"name\":\"sum\",\"arguments\":{\"a\":", "", {"sum({\"a\":)"});
}

TEST(OpenaiToolsTest, CallsWithoutTags) {
  ExpectCalls(openai::ToolFormat::kLlama3, R"({"name": "weather", "parameters": {"city": "Rome"}})",
              "", {R"(weather({"city": "Rome"}))"});
  ExpectCalls(openai::ToolFormat::kLlama3, R"({"answer": 4})", R"({"answer": 4})", {});
  ExpectCalls(openai::ToolFormat::kLlama3, "It rains.", "It rains.", {});
  ExpectCalls(openai::ToolFormat::kMistral,
              R"([{"name": "sum", "arguments": {"a": 1}}, {"name": "weather", "arguments": {}}])",
              "", {R"(sum({"a": 1}))", "weather({})"});
}

TEST(OpenaiToolsTest, CallsInQwen3CodersTags) {
  ExpectCalls(openai::ToolFormat::kQwen3Coder,
              "Well.\n<tool_call>\n<function=weather>\n<parameter=city>\n12\n</parameter>\n"
              "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n"
              "<function=sum>\n</function>\n</tool_call>",
              "Well.\n", {R"(weather({"city":"12","days":3}))", "sum({})"});
  ExpectCalls(openai::ToolFormat::kQwen3Coder, "a < b and <fun", "a < b and <fun", {});
}

TEST(OpenaiToolsTest, TheTemplateSaysTheFormat) {
  EXPECT_EQ(openai::ToolFormatOf(""), openai::ToolFormat::kGeneric);
  EXPECT_EQ(openai::ToolFormatOf("{{ tools }} <tool_call>"), openai::ToolFormat::kTaggedJson);
  EXPECT_EQ(openai::ToolFormatOf("<tool_call> <function= <parameter="),
            openai::ToolFormat::kQwen3Coder);
  EXPECT_EQ(openai::ToolFormatOf("[TOOL_CALLS] tools"), openai::ToolFormat::kMistral);
  EXPECT_EQ(openai::ToolFormatOf("<|start_header_id|> tools"), openai::ToolFormat::kLlama3);
}

// ---- Seeds ----

TEST(OpenaiSeedTest, EachChoiceHasItsOwnAndNoneIsZero) {
  EXPECT_EQ(openai::SeedOf(42, 0), 42u);
  EXPECT_EQ(openai::SeedOf(-1, 0), UINT64_MAX);
  std::vector<uint64_t> seeds;
  for (const int64_t seed : {0, 1, -1, 42}) {
    for (size_t choice = 0; choice < 16; ++choice) seeds.push_back(openai::SeedOf(seed, choice));
  }
  std::sort(seeds.begin(), seeds.end());
  EXPECT_NE(seeds.front(), 0u);
  EXPECT_EQ(std::adjacent_find(seeds.begin(), seeds.end()), seeds.end());
}

}  // namespace
}  // namespace clamma_test
