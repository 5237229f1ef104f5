// SPDX-License-Identifier: MIT
#include "chat/chat_context.h"

#include "chat/json.h"

namespace clamma {
namespace {

constexpr std::string_view kUsualRoles[] = {
    "system",        "user",      "assistant",       "tool",
    "developer",     "function",  "ipython",         "model",
    "environment",   "bot",       "human",           "observation",
    "tool_results",  "chatbot",   "documents",       "context",
    "tool_response", "tool_call", "available_tools", "assistant_tool_call"};

Origin OriginOfRole(std::string_view role) {
  for (const std::string_view usual : kUsualRoles) {
    if (role == usual) return Origin::kTemplate;
  }
  return Origin::kCaller;
}

}  // namespace

Status ChatContext::Prepare() {
  if (root_ != nullptr) return Status();
  root_ = NewDict(bump_);
  if (root_ == nullptr) return bump_.status();
  CLAMMA_RETURN_IF_ERROR(Set("messages", Value::None()));
  CLAMMA_RETURN_IF_ERROR(Set("tools", Value::None()));
  CLAMMA_RETURN_IF_ERROR(Set("documents", Value::None()));
  return Set("add_generation_prompt", Value::Bool(false));
}

Status ChatContext::Set(std::string_view name, const Value& value) {
  return DictSet(bump_, *root_, name, value) ? Status() : bump_.status();
}

Status ChatContext::ReadTools(std::string_view json) {
  CLAMMA_RETURN_IF_ERROR(Prepare());
  Value value;
  CLAMMA_RETURN_IF_ERROR(ParseJson(bump_, json, Origin::kCaller, &value));
  if (!value.Is(Kind::kList) && !value.Is(Kind::kNone)) {
    return Status::Error(StatusCode::kInvalidArgument, "a JSON list is expected, not a value of %s",
                         TypeName(value));
  }
  return Set("tools", value);
}

Status ChatContext::SetTools(std::string_view json) { return Locate("tools", ReadTools(json)); }

Status ChatContext::SetArguments(std::string_view json) {
  CLAMMA_RETURN_IF_ERROR(Prepare());
  Value value;
  CLAMMA_RETURN_IF_ERROR(
      Locate("template arguments", ParseJson(bump_, json, Origin::kCaller, &value)));
  if (!value.Is(Kind::kDict)) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "template arguments: a JSON object is expected, not a value of %s",
                         TypeName(value));
  }
  for (size_t i = 0; i < value.dict->size; ++i) {
    const std::string_view name = value.dict->keys[i].str->view();
    if (name == "messages") {
      return Status::Error(StatusCode::kInvalidArgument,
                           "template arguments: \"messages\" cannot be one of them");
    }
    CLAMMA_RETURN_IF_ERROR(Set(name, value.dict->values[i]));
  }
  return Status();
}

Status ChatContext::SetToken(std::string_view name, std::string_view text) {
  CLAMMA_RETURN_IF_ERROR(Prepare());
  const Str* const str = NewStr(bump_, text, Origin::kTemplate);
  return str == nullptr ? bump_.status() : Set(name, Value::String(str));
}

Status ChatContext::SetAddGenerationPrompt(bool value) {
  CLAMMA_RETURN_IF_ERROR(Prepare());
  return Set("add_generation_prompt", Value::Bool(value));
}

Status ChatContext::AddText(Dict* dict, std::string_view key, std::string_view text,
                            Origin origin) {
  if (text.data() == nullptr) return Status();
  const Str* const str = NewStr(bump_, text, origin);
  if (str == nullptr || !DictSet(bump_, *dict, key, Value::String(str))) return bump_.status();
  return Status();
}

Status ChatContext::AddList(Dict* dict, std::string_view key, std::string_view json) {
  if (json.data() == nullptr) return Status();
  Value value;
  CLAMMA_RETURN_IF_ERROR(ParseJson(bump_, json, Origin::kCaller, &value));
  if (!value.Is(Kind::kList)) {
    return Status::Error(StatusCode::kInvalidArgument, "a JSON list is expected, not a value of %s",
                         TypeName(value));
  }
  return DictSet(bump_, *dict, key, value) ? Status() : bump_.status();
}

// Tool calls without content differ from those with an empty content: some templates test whether
// the content is none, which is what users of transformers pass.
Status ChatContext::AddContent(Dict* dict, const ChatMessage& message) {
  if (message.content.data() != nullptr || message.tool_calls.data() == nullptr) {
    return AddText(dict, "content", message.content, Origin::kCaller);
  }
  return DictSet(bump_, *dict, "content", Value::None()) ? Status() : bump_.status();
}

Status ChatContext::FillMessage(Dict* dict, const ChatMessage& message) {
  // transformers sets reasoning under both names, this one first.
  const Origin caller = Origin::kCaller;
  CLAMMA_RETURN_IF_ERROR(AddText(dict, "thinking", message.reasoning_content, caller));
  CLAMMA_RETURN_IF_ERROR(AddText(dict, "role", message.role, OriginOfRole(message.role)));
  const bool has_parts = message.content_parts.data() != nullptr;
  if (!has_parts) CLAMMA_RETURN_IF_ERROR(AddContent(dict, message));
  CLAMMA_RETURN_IF_ERROR(
      Locate("the parts of a message", AddList(dict, "content", message.content_parts)));
  CLAMMA_RETURN_IF_ERROR(AddText(dict, "name", message.name, caller));
  CLAMMA_RETURN_IF_ERROR(AddText(dict, "reasoning_content", message.reasoning_content, caller));
  CLAMMA_RETURN_IF_ERROR(Locate("tool calls", AddList(dict, "tool_calls", message.tool_calls)));
  return AddText(dict, "tool_call_id", message.tool_call_id, caller);
}

Status ChatContext::AddMessage(const ChatMessage& message) {
  CLAMMA_RETURN_IF_ERROR(Prepare());
  Dict* const dict = NewDict(bump_);
  auto* const node = bump_.New<MessageNode>();
  if (dict == nullptr || node == nullptr) return bump_.status();
  CLAMMA_RETURN_IF_ERROR(FillMessage(dict, message));
  node->message = Value::Of(Kind::kDict, dict);
  (last_ == nullptr ? first_ : last_->next) = node;
  last_ = node;
  ++n_messages_;
  return Status();
}

Status ChatContext::Finish(Value* root) {
  CLAMMA_RETURN_IF_ERROR(Prepare());
  List* const list = NewList(bump_, n_messages_);
  if (list == nullptr) return bump_.status();
  size_t i = 0;
  for (const MessageNode* node = first_; node != nullptr; node = node->next) {
    list->items[i++] = node->message;
  }
  CLAMMA_RETURN_IF_ERROR(Set("messages", Value::Of(Kind::kList, list)));
  *root = Value::Of(Kind::kDict, root_);
  return Status();
}

}  // namespace clamma
