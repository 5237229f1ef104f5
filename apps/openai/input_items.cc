// SPDX-License-Identifier: MIT
#include "openai/input_items.h"

#include <string>
#include <utility>

#include "openai/messages.h"

namespace openai {
namespace {

constexpr size_t kMaxItems = 65536;

// Builds messages of items: reasoning, a message and calls that follow each other are one message
// of the assistant.
class Conversation {
 public:
  explicit Conversation(const Model& model) : model_(model) {}

  void AddMessage(Fields& item);
  void AddCall(Fields& item);
  void AddOutput(Fields& item);
  void AddReasoning(Fields& item);
  void AddText(const char* role, std::string text);
  std::vector<ChatMessage> Take();

 private:
  // The assistant's message that is being put together.
  ChatMessage& Open();
  void Close();

  const Model& model_;
  std::vector<ChatMessage> messages_;
  bool is_open_ = false;
  std::string calls_;  // of the open message: items of a list
};

ChatMessage& Conversation::Open() {
  if (!is_open_) {
    ChatMessage message;
    message.role = "assistant";
    message.has_content = false;
    messages_.push_back(std::move(message));
    is_open_ = true;
  }
  return messages_.back();
}

void Conversation::Close() {
  if (!is_open_) return;
  ChatMessage& message = messages_.back();
  if (!calls_.empty()) message.tool_calls = "[" + std::exchange(calls_, "") + "]";
  if (message.tool_calls.empty()) message.has_content = true;
  is_open_ = false;
}

void Conversation::AddText(const char* role, std::string text) {
  Close();
  ChatMessage message;
  message.role = RoleOf(role, model_);
  message.content = std::move(text);
  messages_.push_back(std::move(message));
}

void Conversation::AddMessage(Fields& item) {
  const std::string& role = item.NeededText("role");
  const Value* const content = item.Find("content");
  if (content == nullptr) {
    throw InvalidRequest("'" + item.PathOf("content") + "' is missing", item.PathOf("content"),
                         "missing_required_parameter");
  }
  std::string text = ReadContent(*content, item.PathOf("content"));
  if (role != "assistant") {
    if (role != "user" && role != "system" && role != "developer") {
      throw item.Wrong("role", "must be user, assistant, system or developer");
    }
    return AddText(role.c_str(), std::move(text));
  }
  if (is_open_ && (!calls_.empty() || messages_.back().has_content)) Close();
  ChatMessage& message = Open();
  message.content = std::move(text);
  message.has_content = true;
}

void Conversation::AddCall(Fields& item) {
  Open();
  const std::string& id = item.NeededText("call_id");
  AppendToolCall(id, item.NeededText("name"), item.NeededText("arguments"), &calls_);
}

void Conversation::AddOutput(Fields& item) {
  Close();
  ChatMessage message;
  message.role = "tool";
  message.tool_call_id = item.NeededText("call_id");
  const Value* const output = item.Find("output");
  if (output == nullptr) {
    throw InvalidRequest("'" + item.PathOf("output") + "' is missing", item.PathOf("output"),
                         "missing_required_parameter");
  }
  message.content = ReadContent(*output, item.PathOf("output"));
  messages_.push_back(std::move(message));
}

void Conversation::AddReasoning(Fields& item) {
  std::string text;
  const std::string path = item.PathOf("content");
  const Value::Array* const content = item.Array("content", kMaxItems);
  for (size_t i = 0; content != nullptr && i < content->size(); ++i) {
    Fields part((*content)[i], ItemPath(path, i));
    text += part.NeededText("text");
  }
  if (text.empty()) return;
  if (is_open_ && (!calls_.empty() || messages_.back().has_content)) Close();
  Open().reasoning += text;
}

std::vector<ChatMessage> Conversation::Take() {
  Close();
  return std::move(messages_);
}

void AddItem(const Value& value, const std::string& path, Conversation* conversation) {
  Fields item(value, path);
  const std::string* const type = item.Text("type");
  if (type == nullptr || *type == "message") return conversation->AddMessage(item);
  if (*type == "function_call") return conversation->AddCall(item);
  if (*type == "function_call_output") return conversation->AddOutput(item);
  if (*type == "reasoning") return conversation->AddReasoning(item);
  if (*type == "item_reference") {
    throw Unsupported(path + ".type", "nothing is stored: send the items themselves");
  }
  throw Unsupported(path + ".type", "items of type '" + type->substr(0, 64) + "' are not known");
}

}  // namespace

std::vector<ChatMessage> ReadInput(Fields& fields, const Model& model) {
  Conversation conversation(model);
  if (const std::string* instructions = fields.Text("instructions")) {
    conversation.AddText("developer", *instructions);
  }
  const Value* const input = fields.Find("input");
  if (input == nullptr) {
    throw InvalidRequest("'input' is missing", "input", "missing_required_parameter");
  }
  if (input->text() != nullptr) {
    conversation.AddText("user", *fields.Text("input"));
    return conversation.Take();
  }
  const Value::Array* const items = fields.Array("input", kMaxItems);
  if (items->empty()) throw fields.Wrong("input", "must not be empty");
  for (size_t i = 0; i < items->size(); ++i) {
    AddItem((*items)[i], ItemPath("input", i), &conversation);
  }
  return conversation.Take();
}

}  // namespace openai
