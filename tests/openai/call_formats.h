// SPDX-License-Identifier: MIT
// The formats of calls: templates that write them, and what parses them.
#ifndef CLAMMA_TESTS_OPENAI_CALL_FORMATS_H_
#define CLAMMA_TESTS_OPENAI_CALL_FORMATS_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cuts.h"
#include "openai/tools/tool_format.h"
#include "openai/tools/tool_setup.h"
#include "test_data.h"

namespace clamma_test {

// What a text turned out to be: content, and calls as "name(arguments)".
struct Parsed {
  std::string content;
  std::vector<std::string> calls;
  std::vector<std::string> ids;
};

inline Parsed Parse(openai::ToolParser& parser, const std::vector<std::string>& pieces) {
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

// weather(city: string of two, days: integer, well: boolean, note: string) and now().
inline openai::ToolChoice Tools(openai::ToolMode mode = openai::ToolMode::kAuto) {
  openai::ToolChoice choice;
  choice.mode = mode;
  std::string reason;
  for (
      const auto& [name, schema] : std::vector<std::pair<const char*, const char*>>{
          {"weather",
           R"({"type":"object","properties":{"city":{"enum":["Rome","New Oslo"],"type":"string"},)"
           R"("days":{"$ref":"#/$defs/count"},"well":{"type":"boolean"},"note":{"type":"string"}},)"
           R"("required":["city"],"additionalProperties":false,)"
           R"("$defs":{"count":{"type":"integer","minimum":1,"maximum":9}}})"},
          {"now", R"({"type":"object","properties":{}})"}}) {
    openai::Tool tool;
    tool.name = name;
    EXPECT_TRUE(openai::ParseJson(schema, {}, &tool.parameters, &reason)) << reason;
    choice.tools.push_back(tool);
  }
  choice.template_tools = "[]";
  return choice;
}

inline openai::CallSyntax SyntaxOf(const std::string& chat_template) {
  return openai::CallSyntax::Of(chat_template, [](std::string_view) { return -1; });
}

// Templates that write calls as models' own do, and nothing else of them.
inline constexpr char kLlama3Template[] =
    "{% for m in messages %}{{ '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\\n\\n' }}"
    "{% if m.tool_calls %}{% set c = m.tool_calls[0].function %}"
    "{{ '{\"name\": \"' ~ c.name ~ '\", \"parameters\": ' ~ (c.arguments | tojson) ~ '}' }}"
    "{% else %}{{ m.content }}{% endif %}{{ '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{% endif %}{% if tools %}{% endif %}";
inline constexpr char kMistralTemplate[] =
    "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' ~ m.content ~ '[/INST]' }}"
    "{% elif m.tool_calls %}{{ '[TOOL_CALLS] [' }}{% for c in m.tool_calls %}"
    "{{ '{\"name\": \"' ~ c.function.name ~ '\", \"arguments\": ' ~ (c.function.arguments | tojson)"
    " ~ ', \"id\": \"' ~ c.id ~ '\"}' ~ (']' if loop.last else ', ') }}{% endfor %}{{ '</s>' }}"
    "{% endif %}{% endfor %}{% if tools %}{% endif %}";
inline constexpr char kNamedTemplate[] =
    "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST]' ~ m.content ~ '[/INST]' }}"
    "{% elif m.tool_calls %}{% for c in m.tool_calls %}"
    "{{ '[TOOL_CALLS]' ~ c.function.name ~ '[ARGS]' ~ (c.function.arguments | tojson) }}"
    "{% endfor %}{{ '</s>' }}{% endif %}{% endfor %}{% if tools %}{% endif %}";
inline constexpr char kChannelTemplate[] =
    "{% for m in messages %}{% if m.tool_calls %}{% set c = m.tool_calls[0].function %}"
    "{{ '<|start|>assistant to=functions.' ~ c.name ~ '<|channel|>commentary json<|message|>' ~ "
    "(c.arguments | tojson) ~ '<|call|>' }}{% else %}"
    "{{ '<|start|>' ~ m.role ~ '<|message|>' ~ m.content ~ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}{% if tools %}{% endif %}";

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_OPENAI_CALL_FORMATS_H_
