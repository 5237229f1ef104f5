// SPDX-License-Identifier: MIT
// The grammars of calls: they accept what a model's template writes, which the parsers then read,
// and nothing that the tools' schemas forbid.
#include <clamma-extra.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../engine/grammar_fixture.h"
#include "api_fixture.h"
#include "call_formats.h"
#include "chat_models.h"
#include "engine/grammar/trigger.h"
#include "openai/errors.h"
#include "openai/response_format.h"
#include "temporary_folder.h"

namespace clamma_test {
namespace {

using openai::ToolFormat;
using openai::ToolMode;

struct Format {
  const char* name;
  ToolFormat format;
  const char* text;  // of its template
  const char* file;  // or the name of its file among the test data
  bool is_single;    // the template writes one call only
  const char* end;   // of an answer
};
void PrintTo(const Format& format, std::ostream* out) { *out << format.name; }

const std::vector<Format>& Formats() {
  static const std::vector<Format> formats = {
      {"Qwen3", ToolFormat::kTaggedJson, nullptr, "Qwen-Qwen3-0.6B.jinja", false, "<|im_end|>"},
      {"Qwen25", ToolFormat::kTaggedJson, nullptr, "Qwen-Qwen2.5-7B-Instruct.jinja", false,
       "<|im_end|>"},
      {"Hermes", ToolFormat::kTaggedJson, nullptr,
       "NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja", false, "<|im_end|>"},
      {"Mistral32", ToolFormat::kMistralNamed, nullptr, "Mistral-Small-3.2-24B-Instruct-2506.jinja",
       false, "<|im_end|>"},
      {"MistralNamed", ToolFormat::kMistralNamed, kNamedTemplate, nullptr, false, "</s>"},
      {"MistralList", ToolFormat::kMistral, kMistralTemplate, nullptr, false, "</s>"},
      {"Llama3", ToolFormat::kLlama3, kLlama3Template, nullptr, true, "<|eot_id|>"},
      {"Qwen3Coder", ToolFormat::kQwen3Coder, nullptr, "Qwen3-Coder.jinja", false, "<|im_end|>"},
      {"Channels", ToolFormat::kChannels, kChannelTemplate, nullptr, true, "<|call|>"}};
  return formats;
}

class CallGrammarTest : public testing::TestWithParam<Format> {
 protected:
  void SetUp() override {
    const Format& format = GetParam();
    if (format.text != nullptr) {
      template_ = format.text;
    } else {
      const std::string path = DataRoot() / "templates" / format.file;
      CLAMMA_NEED_FILE(path);
      template_ = ReadText(path);
    }
    GgufBytes file = MakeChatModel(template_);
    model_ = Open(ModelInfo(folder_.Write("model.gguf", file.Build())));
    ASSERT_NE(model_, nullptr);
  }

  static clamma_txf_info_t ModelInfo(const std::string& path) {
    static std::string kept;
    kept = path;
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.checkpoint_path = kept.c_str();
    return info;
  }

  std::string Render(const std::vector<clamma_message_t>& messages, bool opens_answer) {
    std::string text;
    size_t size = 0;
    clamma_txf_info_t info = {};
    info.chat_tools = "[]";
    do {
      text.resize(size);
      EXPECT_EQ(clamma_chat_render(model_.get(), &info, messages.data(), messages.size(),
                                   opens_answer ? 1 : 0, text.data(), text.size(), &size),
                0);
    } while (size != text.size());
    return text;
  }

  // What the template makes of an answer that consists of these calls.
  std::string Written(const std::string& calls) {
    clamma_message_t user = {};
    user.role = "user";
    user.content = "Hi";
    clamma_message_t answer = {};
    answer.role = "assistant";
    answer.content = "";
    answer.tool_calls = calls.c_str();
    const std::string before = Render({user}, true);
    std::string text = Render({user, answer}, false);
    const size_t common = static_cast<size_t>(
        std::mismatch(before.begin(), before.end(), text.begin(), text.end()).first -
        before.begin());
    text.erase(0, common);
    const size_t end = text.rfind(GetParam().end);
    if (end != std::string::npos) text.erase(end);
    const size_t thought = text.find("</think>\n\n");  // an empty one
    if (thought != std::string::npos) text.erase(0, thought + 10);
    return text;
  }

  // Compiles the grammar of an answer to tools. `before`: what it had to be without them.
  void Compile(ToolMode mode, bool is_parallel, const openai::Constraint& before = {}) {
    openai::ToolChoice choice = Tools(mode);
    choice.is_parallel = is_parallel;
    openai::Constraint constraint = before;
    ConstrainCalls(SyntaxOf(template_), choice, &constraint);
    clamma::Grammar grammar(memory_);
    const clamma::Status status =
        clamma::ParseGbnf(constraint.grammar, !constraint.is_loose, &grammar, nullptr);
    ASSERT_TRUE(status.ok()) << status.message() << "\n" << constraint.grammar;
    if (!constraint.trigger.empty()) {
      ASSERT_TRUE(AddTrigger(constraint.trigger, constraint.repeats, &grammar).ok());
    }
    ASSERT_EQ(matcher_.Compile(grammar), "") << constraint.grammar;
  }

  std::string template_;
  TemporaryFolder folder_;
  TxfPtr model_;
  clamma::Memory memory_;
  Matcher matcher_;
};

constexpr char kWeather[] =
    R"({"id":"abcDEF123","type":"function","function":{"name":"weather","arguments":)"
    R"({"city":"New Oslo","days":3,"well":true,"note":"a \"b\"\n<c> é"}}})";
constexpr char kNow[] =
    R"({"id":"123456789","type":"function","function":{"name":"now","arguments":{}}})";

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what << " in " << text;
  if (at != std::string::npos) text.replace(at, what.size(), by);
  return text;
}

TEST_P(CallGrammarTest, TheTemplateSaysTheFormat) {
  EXPECT_EQ(openai::ToolFormatOf(template_), GetParam().format);
}

TEST_P(CallGrammarTest, AcceptsWhatTheTemplateWrites) {
  for (const ToolMode mode : {ToolMode::kAuto, ToolMode::kRequired}) {
    for (const bool is_parallel : {false, true}) {
      Compile(mode, is_parallel);
      for (const char* call : {kWeather, kNow}) {
        const std::string text = Written(std::string("[") + call + "]");
        EXPECT_TRUE(matcher_.Accepts(text)) << static_cast<int>(mode) << text;
      }
      if (GetParam().is_single) continue;
      const std::string both = Written(std::string("[") + kWeather + "," + kNow + "]");
      EXPECT_EQ(matcher_.Accepts(both), is_parallel) << static_cast<int>(mode) << both;
    }
  }
}

TEST_P(CallGrammarTest, RefusesWhatTheSchemasForbid) {
  const std::string text = Written(std::string("[") + kWeather + "]");
  for (const ToolMode mode : {ToolMode::kAuto, ToolMode::kRequired}) {
    Compile(mode, true);
    for (const auto& [what, by] : std::vector<std::pair<std::string, std::string>>{
             {"New Oslo", "Paris"}, {"3", "12"}, {"city", "town"}, {"weather", "whether"}}) {
      // The first digit may be one of an id.
      const std::string wrong =
          what == "3"
              ? Replaced(
                    text, GetParam().format == ToolFormat::kQwen3Coder ? "days>\n3" : "\"days\": 3",
                    GetParam().format == ToolFormat::kQwen3Coder ? "days>\n12" : "\"days\": 12")
              : Replaced(text, what, by);
      EXPECT_FALSE(matcher_.Accepts(wrong)) << static_cast<int>(mode) << wrong;
    }
  }
}

TEST_P(CallGrammarTest, OnlyACallThatMustComeExcludesAnAnswer) {
  const std::string answer = GetParam().format == ToolFormat::kChannels
                                 ? "<|channel|>final<|message|>It rains, {\"a\": 1}."
                                 : "It rains, {\"a\": 1}.";
  Compile(ToolMode::kAuto, true);
  EXPECT_TRUE(matcher_.Accepts(answer));
  Compile(ToolMode::kRequired, true);
  EXPECT_FALSE(matcher_.Accepts(answer));
}

TEST_P(CallGrammarTest, AnAnswerWithASchemaMayBeACallInstead) {
  const std::string open =
      GetParam().format == ToolFormat::kChannels ? "<|channel|>final<|message|>" : "";
  openai::Constraint schema;
  schema.json_schema = R"({"type":"object","properties":{"a":{"type":"null"}},"required":["a"]})";
  Compile(ToolMode::kAuto, true, schema);
  EXPECT_TRUE(matcher_.Accepts(open + R"({"a":null})"));
  EXPECT_FALSE(matcher_.Accepts(open + R"({"a":1})"));
  EXPECT_TRUE(matcher_.Accepts(Written(std::string("[") + kWeather + "]")));
  openai::Constraint object;
  object.grammar = "root ::= object\n" + openai::JsonObjectRules();
  Compile(ToolMode::kAuto, true, object);
  EXPECT_TRUE(matcher_.Accepts(open + R"({"b": [1, 2]})"));
  EXPECT_FALSE(matcher_.Accepts(open + "[1]"));
  EXPECT_TRUE(matcher_.Accepts(Written(std::string("[") + kNow + "]")));
}

TEST_P(CallGrammarTest, TheParserReadsWhatTheTemplateWrites) {
  if (GetParam().format == ToolFormat::kChannels) GTEST_SKIP() << "its tokens are read";
  std::string calls = std::string("[") + kWeather;
  if (!GetParam().is_single) calls += std::string(",") + kNow;
  const std::string text = Written(calls + "]");
  openai::Prompt prompt;
  prompt.messages.emplace_back();
  openai::Constraint constraint;
  openai::ShownMarks marks;
  const auto make = openai::SetUpTools(SyntaxOf(template_), Tools(), &prompt, &constraint, &marks);
  EXPECT_FALSE(marks.is_any());
  ForAllCuts(text, [&](const std::vector<std::string>& pieces) {
    const auto parser = make();
    const Parsed parsed = Parse(*parser, pieces);
    EXPECT_EQ(parsed.content.find_first_not_of('\n'), std::string::npos) << parsed.content;
    ASSERT_EQ(parsed.calls.size(), GetParam().is_single ? 1u : 2u) << text;
    const std::string& call = parsed.calls.front();
    ASSERT_TRUE(call.starts_with("weather(")) << call;
    openai::Value value;
    std::string reason;
    ASSERT_TRUE(openai::ParseJson(call.substr(8, call.size() - 9), {}, &value, &reason)) << call;
    EXPECT_EQ(value.Text(), R"({"city":"New Oslo","days":3,"well":true,"note":"a \"b\"\n<c> é"})");
    if (!GetParam().is_single) {
      EXPECT_EQ(parsed.calls.back(), "now({})");
    }
    if (GetParam().name == std::string("Mistral32")) {
      EXPECT_EQ(parsed.ids, (std::vector<std::string>{"abcDEF123", "123456789"}));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Formats, CallGrammarTest, testing::ValuesIn(Formats()),
                         [](const auto& format) { return std::string(format.param.name); });

// --- Single formats ---

std::string GrammarOf(const char* chat_template, ToolMode mode = ToolMode::kAuto) {
  openai::Constraint constraint;
  ConstrainCalls(SyntaxOf(chat_template), Tools(mode), &constraint);
  return constraint.grammar;
}

TEST(CallGrammar, WhatBeginsLikeACallOfLlama3IsOne) {
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf(GrammarOf(kLlama3Template)), "");
  for (const char* text : {"", "Hello {\"name\": 1}", "{", "{ \"answer\": 4}", "{}",
                           "{\"names\": 1}", " {\"nam", R"({"name": "now", "parameters": {}})",
                           R"({"name":"now","parameters":{}}; {"name": "now", )"
                           R"("parameters": {}})"}) {
    EXPECT_TRUE(matcher.Accepts(text)) << text;
  }
  for (const char* text : {R"({"name": "other", "parameters": {}})", R"({"name": 1})",
                           R"({ "parameters": {}, "name": "now"})", R"({"type": "function"})"}) {
    EXPECT_FALSE(matcher.Accepts(text)) << text;
  }
}

TEST(CallGrammar, ChannelsMayThinkBeforeAndCallInBothForms) {
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf(GrammarOf(kChannelTemplate)), "");
  const std::string thought =
      "<|channel|>analysis<|message|>to=functions.x?<|end|><|start|>assistant";
  const std::string call = R"({"city": "Rome"})";
  for (const std::string& text :
       {thought + "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>" + call,
        thought + " to=functions.weather<|channel|>commentary json<|message|>" + call,
        thought + thought + "<|channel|>final<|message|>It rains."}) {
    EXPECT_TRUE(matcher.Accepts(text)) << text;
  }
  EXPECT_FALSE(
      matcher.Accepts("<|channel|>commentary to=functions.weather "
                      "<|constrain|>json<|message|>{\"city\": \"Bonn\"}"));
  EXPECT_FALSE(matcher.Accepts("<|channel|>commentary to=functions.other<|message|>{}"));
}

TEST(CallGrammar, LongTextsBetweenTagsDoNotNest) {
  Matcher matcher;
  ASSERT_EQ(matcher.Gbnf(GrammarOf("<function= <parameter=", ToolMode::kRequired)), "");
  std::string text =
      "<tool_call>\n<function=weather>\n<parameter=city>\nRome\n</parameter>\n"
      "<parameter=note>\n";
  for (int i = 0; i < 4000; ++i) text += "a </para <";
  EXPECT_TRUE(matcher.Accepts(text + "\n</parameter>\n</function>\n</tool_call>"));
}

TEST(CallGrammar, WhatATextBetweenTagsCannotObeyIsNamedOrRefused) {
  openai::ToolChoice choice;
  choice.mode = ToolMode::kAuto;
  openai::Tool tool;
  tool.name = "f";
  std::string reason;
  ASSERT_TRUE(openai::ParseJson(
      R"({"type":"object","properties":{"a":{"type":"string","pattern":"^x"},"b":{"anyOf":[]}}})",
      {}, &tool.parameters, &reason));
  choice.tools.push_back(tool);
  openai::Constraint constraint;
  ConstrainCalls(SyntaxOf("<function= <parameter="), choice, &constraint);
  EXPECT_EQ(constraint.dropped, "/properties/a/pattern,/properties/b");
  choice.tools.front().is_strict = true;
  try {
    ConstrainCalls(SyntaxOf("<function= <parameter="), choice, &constraint);
    ADD_FAILURE() << "is refused";
  } catch (const openai::ApiError& error) {
    EXPECT_EQ(error.status(), 400);
    EXPECT_NE(error.message().find("/properties/a/pattern"), std::string::npos) << error.message();
  }
}

TEST(CallGrammar, ATokenOfTheVocabularyIsTheTrigger) {
  const auto find = [](std::string_view name) {
    return name == "[TOOL_CALLS]" ? 5 : name == "[ARGS]" ? 32 : -1;
  };
  openai::Prompt prompt;
  openai::Constraint constraint;
  openai::ShownMarks marks;
  const auto make = openai::SetUpTools(openai::CallSyntax::Of(kNamedTemplate, find), Tools(),
                                       &prompt, &constraint, &marks);
  EXPECT_EQ(constraint.trigger, "");
  EXPECT_EQ(constraint.trigger_token, 5);
  EXPECT_TRUE(constraint.repeats);
  EXPECT_NE(constraint.grammar.find("\"now\" c-id <[32]>"), std::string::npos)
      << constraint.grammar;
  EXPECT_EQ(marks.tokens, (std::vector<std::pair<tok_id_t, char>>{{5, openai::kOpenByte},
                                                                  {32, openai::kArgumentsByte}}));
  // The text "[TOOL_CALLS]" is no mark then.
  const Parsed parsed = Parse(
      *make(),
      {"[TOOL_CALLS]now[ARGS]{} ", {openai::kOpenByte}, "now", {openai::kArgumentsByte}, "{}"});
  EXPECT_EQ(parsed.content, "[TOOL_CALLS]now[ARGS]{} ");
  EXPECT_EQ(parsed.calls, (std::vector<std::string>{"now({})"}));
}

}  // namespace
}  // namespace clamma_test
