// SPDX-License-Identifier: MIT
#include "openai/tools/tool_setup.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "openai/answer_parts.h"
#include "openai/tools/json_parser.h"
#include "openai/tools/named_parser.h"
#include "openai/tools/xml_parser.h"

namespace openai {
namespace {

// Mistral's templates want nine alphanumerics.
std::string NineAlphanumerics() {
  static constexpr std::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  auto number = static_cast<uint64_t>(RandomSeed());
  std::string id;
  for (int i = 0; i < 9; ++i, number /= kDigits.size()) id += kDigits[number % kDigits.size()];
  return id;
}

bool IsNineAlphanumerics(std::string_view id) {
  return id.size() == 9 && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
         });
}

std::string CallId() { return NewId("call_"); }

// The text of a mark, which is shown if it is a token.
std::string Show(const Mark& mark, ShownMarks* marks) {
  if (mark.token >= 0) marks->tokens.emplace_back(mark.token, mark.byte);
  return mark.text;
}

// Says in a system message what the template cannot.
void DescribeTools(const ToolChoice& choice, Prompt* prompt) {
  std::string text =
      "You may call functions. Their signatures, as JSON:\n" + choice.template_tools +
      "\nTo call a function, write a JSON object with its name and its arguments between tags:\n"
      "<tool_call>\n{\"name\": <function>, \"arguments\": <object>}\n</tool_call>";
  std::vector<ChatMessage>& messages = prompt->messages;
  if (!messages.empty() && messages.front().role == "system") {
    messages.front().content += "\n\n" + text;
  } else {
    ChatMessage system;
    system.role = "system";
    system.content = std::move(text);
    messages.insert(messages.begin(), std::move(system));
  }
  // Such a template knows no calls and no results either.
  for (ChatMessage& message : messages) {
    if (!message.tool_calls.empty()) {
      message.content += "<tool_call>\n" + message.tool_calls + "\n</tool_call>";
      message.tool_calls.clear();
      message.has_content = true;
    }
    if (message.role == "tool") {
      message.role = "user";
      message.content = "<tool_response>\n" + message.content + "\n</tool_response>";
    }
  }
}

std::vector<std::string> NamesOf(const std::vector<Tool>& tools) {
  std::vector<std::string> names;
  names.reserve(tools.size());
  for (const Tool& tool : tools) names.push_back(tool.name);
  return names;
}

// A JSON object for each call, between tags, in a list behind a mark, or bare.
std::function<std::unique_ptr<ToolParser>()> JsonParsers(const CallSyntax& syntax,
                                                         const ToolChoice& choice,
                                                         ShownMarks* marks) {
  JsonCallFormat json;
  json.names = NamesOf(choice.tools);
  json.make_id = CallId;
  if (syntax.format == ToolFormat::kMistral) {
    json.open = Show({"[TOOL_CALLS]", kOpenByte, syntax.find_control}, marks);
    json.make_id = NineAlphanumerics;
    json.may_be_list = true;
  } else if (syntax.format != ToolFormat::kLlama3) {
    json.open = Show({"<tool_call>", kOpenByte, syntax.find_control}, marks);
    json.close = Show({"</tool_call>", kCloseByte, syntax.find_control}, marks);
  }
  return [json] { return std::make_unique<JsonParser>(json); };
}

std::function<std::unique_ptr<ToolParser>()> NamedParsers(const CallSyntax& syntax,
                                                          const ToolChoice& choice,
                                                          ShownMarks* marks) {
  NamedCallFormat named;
  named.names = NamesOf(choice.tools);
  named.make_id = CallId;
  if (syntax.format == ToolFormat::kChannels) {
    marks->channels =
        ChannelTokens{syntax.find_control("<|start|>"), syntax.find_control("<|message|>")};
    named.open = std::string(1, kOpenByte);
    named.arguments = std::string(1, kArgumentsByte);
  } else {
    named.open = Show({"[TOOL_CALLS]", kOpenByte, syntax.find_control}, marks);
    named.id = Show({"[CALL_ID]", kIdByte, syntax.find_control}, marks);
    named.arguments = Show({"[ARGS]", kArgumentsByte, syntax.find_control}, marks);
    named.make_id = NineAlphanumerics;
    named.is_id = IsNineAlphanumerics;
  }
  return [named] { return std::make_unique<NamedParser>(named); };
}

}  // namespace

std::function<std::unique_ptr<ToolParser>()> SetUpTools(const CallSyntax& syntax,
                                                        const ToolChoice& choice, Prompt* prompt,
                                                        Constraint* constraint, ShownMarks* marks) {
  if (!choice.template_tools.empty()) {
    if (syntax.format == ToolFormat::kGeneric) {
      DescribeTools(choice, prompt);
    } else {
      prompt->tools = choice.template_tools;
    }
  }
  if (choice.tools.empty()) {
    // What constrains an answer is for its final channel.
    if (syntax.format == ToolFormat::kChannels && constraint->is_any()) {
      ConstrainCalls(syntax, choice, constraint);
    }
    return nullptr;
  }
  ConstrainCalls(syntax, choice, constraint);
  switch (syntax.format) {
    case ToolFormat::kQwen3Coder:
      return [tools = choice.tools] { return std::make_unique<XmlParser>(tools, CallId); };
    case ToolFormat::kMistralNamed:
    case ToolFormat::kChannels:
      return NamedParsers(syntax, choice, marks);
    default:
      return JsonParsers(syntax, choice, marks);
  }
}

}  // namespace openai
