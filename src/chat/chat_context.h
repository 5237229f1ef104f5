// SPDX-License-Identifier: MIT
// The variables of a chat template, with the names that transformers uses.
#ifndef CLAMMA_CHAT_CHAT_CONTEXT_H_
#define CLAMMA_CHAT_CHAT_CONTEXT_H_

#include <cstddef>
#include <string_view>

#include "chat/template/bump.h"
#include "chat/template/value.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// A text may be absent (data() == nullptr), which is different from empty. In the template an
// absent content is none if there are tool calls; other absent texts are undefined.
struct ChatMessage {
  std::string_view role;
  std::string_view content;
  std::string_view content_parts;  // JSON: a list of parts, in place of `content`
  std::string_view name;
  std::string_view reasoning_content;
  std::string_view tool_calls;  // JSON: a list
  std::string_view tool_call_id;
};

// Builds the context. All texts are copied. Strings have the origin kCaller, except for the special
// tokens and the usual roles (system, user, assistant, tool, developer ...), from which templates
// build control tokens.
class ChatContext {
 public:
  static constexpr size_t kMaxMemory = size_t{256} << 20;  // bytes

  explicit ChatContext(Memory& memory) : bump_(memory, kMaxMemory) {}

  // The calls may come in any order. AddMessage() adds a message; another call of the same setter
  // replaces the value. Without SetTools() `tools` is none, and `documents` without SetArguments(),
  // as in transformers.
  Status AddMessage(const ChatMessage& message);
  Status SetTools(std::string_view json);
  Status SetArguments(std::string_view json);  // an object: further names, such as enable_thinking
  Status SetToken(std::string_view name, std::string_view text);  // bos_token, eos_token ...
  Status SetAddGenerationPrompt(bool value);

  // Sets *root to the dict to render with, which is valid as long as this object.
  Status Finish(Value* root);

 private:
  struct MessageNode {
    Value message;
    MessageNode* next;
  };

  Status Prepare();
  Status Set(std::string_view name, const Value& value);
  Status AddText(Dict* dict, std::string_view key, std::string_view text, Origin origin);
  Status AddList(Dict* dict, std::string_view key, std::string_view json);
  Status AddContent(Dict* dict, const ChatMessage& message);
  Status FillMessage(Dict* dict, const ChatMessage& message);
  Status ReadTools(std::string_view json);

  Bump bump_;
  Dict* root_ = nullptr;
  MessageNode* first_ = nullptr;
  MessageNode* last_ = nullptr;
  size_t n_messages_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_CHAT_CONTEXT_H_
