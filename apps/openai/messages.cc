// SPDX-License-Identifier: MIT
#include "openai/messages.h"

#include <algorithm>
#include <array>

#include "openai/json_text.h"

namespace openai {
namespace {

constexpr size_t kMaxMessages = 65536;
constexpr size_t kMaxParts = 4096;
constexpr size_t kMaxToolCalls = 128;
constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant",
                                                    "tool"};

std::string ReadPart(const Value& part, const std::string& path) {
  Fields fields(part, path);
  const std::string& type = fields.NeededText("type");
  if (type == "text" || type == "input_text" || type == "output_text") {
    return fields.NeededText("text");
  }
  if (type == "refusal") return fields.NeededText("refusal");
  throw Unsupported(path + ".type",
                    "this model reads texts, not parts of type '" + type.substr(0, 64) + "'");
}

std::string ReadToolCalls(Fields& message) {
  const Value::Array* const calls = message.Array("tool_calls", kMaxToolCalls);
  if (calls == nullptr || calls->empty()) return "";
  std::string list;
  for (size_t i = 0; i < calls->size(); ++i) {
    const std::string path = ItemPath(message.PathOf("tool_calls"), i);
    Fields call((*calls)[i], path);
    const std::string* const type = call.Text("type");
    if (type != nullptr && *type != "function") {
      throw Unsupported(path + ".type", "only functions can be called");
    }
    const Value* const function = call.Object("function");
    if (function == nullptr) {
      throw InvalidRequest("'" + path + ".function' is missing", path + ".function",
                           "missing_required_parameter");
    }
    Fields parts(*function, path + ".function");
    const std::string* const id = call.Text("id");
    AppendToolCall(id == nullptr ? "" : *id, parts.NeededText("name"),
                   parts.NeededText("arguments"), &list);
  }
  return "[" + list + "]";
}

ChatMessage ReadMessage(const Value& value, const std::string& path, const Model& model) {
  Fields fields(value, path);
  ChatMessage message;
  const std::string& role = fields.NeededText("role");
  if (role == "function") throw Unsupported(path + ".role", "use 'tool'");
  if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
    throw fields.Wrong("role", "must be system, developer, user, assistant or tool");
  }
  message.role = RoleOf(role, model);
  const Value* const content = fields.Find("content");
  if (content != nullptr) message.content = ReadContent(*content, fields.PathOf("content"));
  if (const std::string* name = fields.Text("name")) message.name = *name;
  if (role == "assistant") {
    fields.Refuse("function_call", "use 'tool_calls'");
    fields.Refuse("audio", "this model has no voice");
    message.tool_calls = ReadToolCalls(fields);
    const std::string* const refusal = fields.Text("refusal");
    if (content == nullptr && refusal != nullptr) message.content = *refusal;
    for (const char* const field : {"reasoning_content", "reasoning"}) {
      const std::string* const reasoning = fields.Text(field);
      if (reasoning != nullptr && message.reasoning.empty()) message.reasoning = *reasoning;
    }
    message.has_content = content != nullptr || refusal != nullptr;
    if (!message.has_content && message.tool_calls.empty() && message.reasoning.empty()) {
      throw InvalidRequest("'" + path + "' has neither content nor tool calls", path + ".content",
                           "missing_required_parameter");
    }
    return message;
  }
  if (content == nullptr) {
    throw InvalidRequest("'" + path + ".content' is missing", path + ".content",
                         "missing_required_parameter");
  }
  if (role == "tool") message.tool_call_id = fields.NeededText("tool_call_id");
  return message;
}

}  // namespace

std::string RoleOf(const std::string& role, const Model& model) {
  const bool knows_developer = model.chat_template().find("developer") != std::string::npos;
  return role == "developer" && !knows_developer ? "system" : role;
}

std::string ReadContent(const Value& content, const std::string& path) {
  if (const std::string* text = content.text()) {
    if (text->find('\0') != std::string::npos) {
      throw InvalidRequest("'" + path + "' must not contain the character U+0000", path,
                           "invalid_value");
    }
    return *text;
  }
  const Value::Array* const parts = content.array();
  if (parts == nullptr) {
    throw InvalidRequest(
        "'" + path + "' must be a string or an array of parts, not " + content.KindName(), path,
        "invalid_type");
  }
  if (parts->size() > kMaxParts) {
    throw InvalidRequest("'" + path + "' must have at most " + std::to_string(kMaxParts) + " parts",
                         path, "invalid_value");
  }
  std::string text;
  for (size_t i = 0; i < parts->size(); ++i) text += ReadPart((*parts)[i], ItemPath(path, i));
  return text;
}

void AppendToolCall(const std::string& id, const std::string& name, const std::string& arguments,
                    std::string* list) {
  Value parsed;
  std::string reason;
  const bool is_object = ParseJson(arguments, {}, &parsed, &reason) && parsed.object() != nullptr;
  JsonWriter w;
  w.Open('{');
  if (!id.empty()) w.Text("id", id);
  w.Text("type", "function").Open("function", '{').Text("name", name);
  if (is_object) {
    w.Raw("arguments", parsed.Text());
  } else {
    w.Text("arguments", arguments);
  }
  w.Close().Close();
  if (!list->empty()) *list += ',';
  *list += w.text();
}

std::vector<ChatMessage> ReadMessages(Fields& fields, const Model& model) {
  const Value::Array* const list = fields.Array("messages", kMaxMessages);
  if (list == nullptr) {
    throw InvalidRequest("'messages' is missing", "messages", "missing_required_parameter");
  }
  if (list->empty()) throw fields.Wrong("messages", "must not be empty");
  std::vector<ChatMessage> messages;
  messages.reserve(list->size());
  for (size_t i = 0; i < list->size(); ++i) {
    messages.push_back(ReadMessage((*list)[i], ItemPath("messages", i), model));
  }
  return messages;
}

}  // namespace openai
