// SPDX-License-Identifier: MIT
#include "openai/tools/tool_setup.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "openai/answer_parts.h"
#include "openai/tools/json_parser.h"
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

std::string CallId() { return NewId("call_"); }

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

// A call that must come is the whole answer, without the format's tags.
void Constrain(ToolFormat format, const ToolChoice& choice, bool has_tags, Constraint* constraint) {
  const std::string call = CallSchema(format, choice.tools);
  const bool is_loose = std::any_of(choice.tools.begin(), choice.tools.end(),
                                    [](const Tool& tool) { return !tool.is_strict; });
  if (choice.mode == ToolMode::kRequired) {
    *constraint = {};
    constraint->json_schema = call;
    constraint->param = "tools";
    constraint->is_loose = is_loose;
  } else if (!constraint->json_schema.empty()) {
    constraint->json_schema = R"({"anyOf":[{"$id":"https://tools.invalid/?answer","allOf":[)" +
                              constraint->json_schema + "]}," + call + "]}";
    constraint->is_loose = constraint->is_loose || is_loose;
  } else if (constraint->grammar.empty() && has_tags) {
    constraint->json_schema = call;
    constraint->param = "tools";
    constraint->trigger = "<tool_call>";
    constraint->is_loose = is_loose;
    constraint->repeats = choice.is_parallel;
  }
}

}  // namespace

ToolFormat ToolFormatOf(std::string_view chat_template) {
  const auto has = [&](std::string_view text) {
    return chat_template.find(text) != std::string_view::npos;
  };
  if (has("<|channel|>")) return ToolFormat::kChannels;
  if (has("<function=") && has("<parameter=")) return ToolFormat::kQwen3Coder;
  if (has("[TOOL_CALLS]")) return ToolFormat::kMistral;
  if (has("<tool_call>") && !has("<arg_key>")) return ToolFormat::kTaggedJson;
  if (has("<|start_header_id|>") && has("tools")) return ToolFormat::kLlama3;
  return has("tools") ? ToolFormat::kTaggedJson : ToolFormat::kGeneric;
}

const char* NameOf(ToolFormat format) {
  static constexpr std::array<const char*, 6> kNames = {"tagged-json", "llama3",   "mistral",
                                                        "qwen3-coder", "channels", "generic"};
  return kNames[static_cast<size_t>(format)];
}

std::string CallSchema(ToolFormat format, const std::vector<Tool>& tools) {
  const char* const arguments = format == ToolFormat::kLlama3 ? "parameters" : "arguments";
  JsonWriter w;
  w.Open('{').Open("anyOf", '[');
  for (const Tool& tool : tools) {
    w.OpenItem('{').Text("type", "object").Open("properties", '{');
    w.Open("name", '{').Text("const", tool.name).Close();
    // With an $id of its own its references stay within it.
    w.Open(arguments, '{').Text("$id", "https://tools.invalid/" + tool.name);
    for (const Member& member : *tool.parameters.object()) {
      if (member.name != "$id" && member.name != "$schema") {
        w.Raw(member.name, member.value.Text());
      }
    }
    w.Close().Close().Open("required", '[').Item("name").Item(arguments).Close();
    w.Bool("additionalProperties", false).Close();
  }
  return w.Close().Close().Take();
}

std::function<std::unique_ptr<ToolParser>()> SetUpTools(ToolFormat format, const ToolChoice& choice,
                                                        Prompt* prompt, Constraint* constraint) {
  if (!choice.tools.empty() && format == ToolFormat::kChannels) {
    throw Unsupported("tools", "this model writes its calls in channels, which are not read");
  }
  if (!choice.template_tools.empty()) {
    if (format == ToolFormat::kGeneric) {
      DescribeTools(choice, prompt);
    } else {
      prompt->tools = choice.template_tools;
    }
  }
  if (choice.tools.empty()) return nullptr;
  const bool is_constrained = !constraint->json_schema.empty() || !constraint->grammar.empty();
  const bool is_bare = choice.mode == ToolMode::kRequired || is_constrained;
  const bool has_tags = format == ToolFormat::kTaggedJson || format == ToolFormat::kGeneric;
  Constrain(format, choice, has_tags, constraint);
  if (format == ToolFormat::kQwen3Coder && !is_bare) {
    return [tools = choice.tools] { return std::make_unique<XmlParser>(tools, CallId); };
  }
  JsonCallFormat json;
  for (const Tool& tool : choice.tools) json.names.push_back(tool.name);
  json.make_id = format == ToolFormat::kMistral ? NineAlphanumerics : CallId;
  json.may_be_list = format == ToolFormat::kMistral;
  if (has_tags && !is_bare) {
    json.open = "<tool_call>";
    json.close = "</tool_call>";
  }
  return [json] { return std::make_unique<JsonParser>(json); };
}

}  // namespace openai
