// SPDX-License-Identifier: MIT
#include "openai/tools/call_grammar.h"

#include <algorithm>
#include <utility>

#include "openai/json_text.h"
#include "openai/response_format.h"
#include "openai/tools/text_rules.h"
#include "openai/tools/xml_grammar.h"

namespace openai {
namespace {

constexpr std::string_view kSeparator = " | ";

// The members of a schema of a tool's arguments.
void WriteParameters(const Tool& tool, JsonWriter* w) {
  w->Text("$id", ToolUri(tool));  // so its references stay within it
  for (const Member& member : *tool.parameters.object()) {
    if (member.name != "$id" && member.name != "$schema") w->Raw(member.name, member.value.Text());
  }
}

std::string ParametersTerm(const Tool& tool) {
  JsonWriter w;
  w.Open('{');
  WriteParameters(tool, &w);
  return "%json " + w.Close().Take();
}

// Adds "anyOf": one of {"name": "f", "arguments": the schema of f's parameters}.
void WriteCallSchema(const std::vector<Tool>& tools, const char* arguments, bool may_have_id,
                     JsonWriter* w) {
  w->Open("anyOf", '[');
  for (const Tool& tool : tools) {
    w->OpenItem('{').Text("type", "object").Open("properties", '{');
    w->Open("name", '{').Text("const", tool.name).Close();
    w->Open(arguments, '{');
    WriteParameters(tool, w);
    w->Close();
    if (may_have_id) w->Raw("id", R"({"type":"string","pattern":"^[0-9A-Za-z]{9}$"})");
    w->Close().Open("required", '[').Item("name").Item(arguments).Close();
    w->Bool("additionalProperties", false).Close();
  }
  w->Close();
}

std::string CallTerm(const std::vector<Tool>& tools, const char* arguments) {
  JsonWriter w;
  w.Open('{');
  WriteCallSchema(tools, arguments, false, &w);
  return "%json " + w.Close().Take();
}

// A list of calls.
std::string ListTerm(const ToolChoice& choice) {
  JsonWriter w;
  w.Open('{').Text("type", "array").Number("minItems", 1);
  if (!choice.is_parallel) w.Number("maxItems", 1);
  w.Open("items", '{');
  WriteCallSchema(choice.tools, "arguments", true, &w);
  return "%json " + w.Close().Close().Take();
}

// What a call consists of, in a format where something marks its beginning.
struct CallParts {
  std::string before;    // the mark, as a term, may stand behind this; "": nothing does
  std::string rules;     // among them c-body: what follows the mark
  std::string trigger;   // the mark, or
  tok_id_t token = -1;   // ... its token
  std::string mark;      // as a term
  bool is_list = false;  // one mark stands before all calls
};

CallParts TaggedParts(const CallSyntax& syntax, const ToolChoice& choice) {
  const Mark open("<tool_call>", kOpenByte, syntax.find_control);
  const Mark close("</tool_call>", kCloseByte, syntax.find_control);
  CallParts parts;
  parts.rules =
      "c-body ::= c-white " + CallTerm(choice.tools, "arguments") + " c-white " + close.term + "\n";
  parts.trigger = "<tool_call>";
  parts.token = open.token;
  parts.mark = open.term;
  return parts;
}

CallParts MistralParts(const CallSyntax& syntax, const ToolChoice& choice) {
  const Mark open("[TOOL_CALLS]", kOpenByte, syntax.find_control);
  CallParts parts;
  parts.rules = "c-body ::= c-white " + ListTerm(choice) + "\n";
  parts.trigger = "[TOOL_CALLS]";
  parts.token = open.token;
  parts.mark = open.term;
  parts.is_list = true;
  return parts;
}

CallParts NamedParts(const CallSyntax& syntax, const ToolChoice& choice) {
  CallParts parts = MistralParts(syntax, choice);
  const Mark id("[CALL_ID]", kIdByte, syntax.find_control);
  const Mark arguments("[ARGS]", kArgumentsByte, syntax.find_control);
  parts.is_list = false;
  parts.rules = "c-body ::= ";
  for (const Tool& tool : choice.tools) {
    if (&tool != choice.tools.data()) parts.rules += kSeparator;
    parts.rules += Literal(tool.name) + " c-id " + arguments.term + " " + ParametersTerm(tool);
  }
  parts.rules += "\nc-id ::= ";
  parts.rules += syntax.has_call_ids ? "(" + id.term + " [0-9A-Za-z]{9})?\n" : "\"\"\n";
  return parts;
}

CallParts XmlParts(const ToolChoice& choice, std::string* dropped) {
  CallParts parts;
  parts.before = R"(("<tool_call>" c-white)?)";
  parts.rules = XmlRules("c-body", choice.tools, dropped);
  parts.trigger = "<function=";
  parts.mark = Literal(parts.trigger);
  return parts;
}

// One call or several, from the beginning of a text on.
std::string CallsRule(const CallParts& parts, bool is_parallel) {
  const std::string call = parts.before + " " + parts.mark + " c-body";
  std::string rule = "c-calls ::= " + call;
  if (is_parallel && !parts.is_list) rule += " (c-white " + call + ")*";
  return rule + "\n";
}

// Llama 3's calls have no mark. What begins like one is one.
std::string Llama3Rules(const CallSyntax& syntax, const ToolChoice& choice) {
  const tok_id_t tag = syntax.find_control("<|python_tag|>");
  const std::string prefix = tag < 0 ? "" : "<[" + std::to_string(tag) + "]>? ";
  std::string rules = "c-calls ::= " + prefix + "c-call";
  if (choice.is_parallel) rules += R"( ((";" | ",")? c-white c-call)*)";
  rules += "\nc-call ::= " + CallTerm(choice.tools, "parameters") + "\n";
  rules +=
      R"(c-free ::= c-white ([^{ \t\r\n] c-any | "{" c-white ([^" \t\r\n] c-any | "\"" c-key)?)?)";
  rules += "\n" + OtherKeyRules("c-key", {"name", "parameters", "arguments", "type", "function"});
  return rules;
}

// gpt-oss's answers: messages in channels, of which the last one is a call or the final one.
std::string ChannelRules(const CallSyntax& syntax, const ToolChoice& choice,
                         const std::string& answer) {
  const auto term = [&](std::string_view name) { return Mark(name, 0, syntax.find_control).term; };
  const std::string channel = term("<|channel|>");
  const std::string message = term("<|message|>");
  std::string rules = "root ::= c-thought* c-last\nc-thought ::= " + channel +
                      R"( ("analysis" | "commentary") )" + message + " c-any " + term("<|end|>") +
                      " " + term("<|start|>") + " \"assistant\"\nc-json ::= (\" \"? " +
                      term("<|constrain|>") + R"(? "json")?)" + "\nc-last ::= ";
  for (const Tool& tool : choice.tools) {
    const std::string to = " to=functions." + tool.name;
    rules += "(" + channel + " ";
    rules += Literal("commentary" + to) + " | ";
    rules += Literal(to) + " " + channel;
    rules += " \"commentary\") c-json " + message;
    rules += " " + ParametersTerm(tool);
    if (&tool != &choice.tools.back()) rules += kSeparator;
  }
  if (choice.mode != ToolMode::kRequired) {
    if (!choice.tools.empty()) rules += kSeparator;
    rules += channel + " \"final\" c-json " + message + " " + answer;
  }
  return rules + "\n";
}

// The rule c-answer, for what an answer had to be without tools.
std::string AnswerRule(const Constraint& constraint) {
  if (constraint.json_schema.empty()) return "c-answer ::= object\n" + JsonObjectRules();
  return "c-answer ::= %json " + constraint.json_schema + "\n";
}

constexpr std::string_view kCommonRules = R"(c-white ::= [ \t\r\n]{0,4}
c-any ::= .*
)";

void ConstrainMarked(CallParts parts, const ToolChoice& choice, bool is_answer_free,
                     Constraint* constraint) {
  std::string rules = parts.rules;
  if (choice.mode != ToolMode::kRequired && is_answer_free) {
    constraint->grammar = "root ::= c-body\n" + rules;
    if (parts.token >= 0) {
      constraint->trigger_token = parts.token;
    } else {
      constraint->trigger = parts.trigger;
    }
    constraint->repeats = choice.is_parallel && !parts.is_list;
    return;
  }
  constraint->grammar = "root ::= c-white c-calls";
  if (choice.mode != ToolMode::kRequired) constraint->grammar += " | c-white c-answer";
  constraint->grammar += "\n" + CallsRule(parts, choice.is_parallel) + rules;
}

CallParts PartsOf(const CallSyntax& syntax, const ToolChoice& choice, std::string* dropped) {
  switch (syntax.format) {
    case ToolFormat::kMistral:
      return MistralParts(syntax, choice);
    case ToolFormat::kMistralNamed:
      return NamedParts(syntax, choice);
    case ToolFormat::kQwen3Coder:
      return XmlParts(choice, dropped);
    default:
      return TaggedParts(syntax, choice);
  }
}

}  // namespace

CallSyntax CallSyntax::Of(std::string_view chat_template, FindControl find) {
  return {ToolFormatOf(chat_template), std::move(find),
          chat_template.find("[CALL_ID]") != std::string_view::npos};
}

void ConstrainCalls(const CallSyntax& syntax, const ToolChoice& choice, Constraint* constraint) {
  const bool is_required = choice.mode == ToolMode::kRequired;
  const Constraint before = is_required ? Constraint() : std::exchange(*constraint, {});
  const bool is_free = !before.is_any();
  *constraint = {};
  constraint->param = is_free ? "tools" : before.param;
  constraint->is_loose = before.is_loose || std::any_of(choice.tools.begin(), choice.tools.end(),
                                                        [](const Tool& t) { return !t.is_strict; });
  std::string& grammar = constraint->grammar;
  if (syntax.format == ToolFormat::kChannels) {
    grammar = ChannelRules(syntax, choice, is_free ? "c-any" : "c-answer");
  } else if (syntax.format == ToolFormat::kLlama3) {
    grammar = "root ::= c-white c-calls";
    if (!is_required) grammar += is_free ? " | c-free" : " | c-white c-answer";
    grammar += "\n" + Llama3Rules(syntax, choice);
  } else {
    ConstrainMarked(PartsOf(syntax, choice, &constraint->dropped), choice, is_free, constraint);
  }
  grammar += kCommonRules;
  if (!is_free) grammar += AnswerRule(before);
}

}  // namespace openai
