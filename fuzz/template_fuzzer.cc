// SPDX-License-Identifier: MIT
// Parses any bytes as a chat template and renders a conversation with it, with small limits. The
// caller's ranges in the output must be correct: sorted, and within the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "chat/chat_context.h"
#include "chat/chat_template.h"
#include "platform/memory.h"

namespace {

using clamma::ChatContext;
using clamma::ChatTemplate;
using clamma::Memory;
using clamma::Status;
using clamma::Value;

void Demand(bool holds) {
  if (!holds) std::abort();
}

void Check(const Status& status) {
  if (!status.ok()) std::abort();
}

void CheckReason(const Status& status, bool was_raised) {
  const std::string_view message = status.message();
  Demand(status.ok() == message.empty() || was_raised);
  for (const char c : message) Demand(static_cast<uint8_t>(c) >= 0x20 && c != 0x7f);
}

void AddConversation(ChatContext* context) {
  clamma::ChatMessage message;
  message.role = "system";
  message.content = "\x01\x02";
  Check(context->AddMessage(message));
  message.role = "user";
  message.content_parts = R"([{"type": "text", "text": "\u0003x"}, {"type": "image"}])";
  Check(context->AddMessage(message));
  message = {};
  message.role = "assistant";
  message.content = "a <think>b</think> c";
  message.reasoning_content =
      "Gr\xc3\xbc\xc3\x9f"
      "e \xff";
  message.tool_calls =
      R"([{"id": "1", "function": {"name": "f", "arguments": {"x": [1, 2.5, null]}}}])";
  Check(context->AddMessage(message));
  message = {};
  message.role = "tool";
  message.content = "";
  message.tool_call_id = "1";
  Check(context->AddMessage(message));
  Check(context->SetTools(R"([{"type": "function", "function": {"name": "f"}}])"));
  Check(context->SetArguments(
      R"({"enable_thinking": false, "d": {"a": 1, "b": [true, "x"]}, "n": -3, "f": 1e300})"));
  Check(context->SetToken("bos_token", "<s>"));
  Check(context->SetAddGenerationPrompt(true));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n) {
  Memory memory;
  {
    ChatTemplate chat_template;
    const Status parsed = chat_template.Parse(memory, {reinterpret_cast<const char*>(bytes), n});
    CheckReason(parsed, false);
    if (parsed.ok()) {
      ChatContext context(memory);
      AddConversation(&context);
      Value root;
      Check(context.Finish(&root));
      clamma::RenderOptions options;
      options.seconds = 1785542400;
      options.limits.max_steps = 50'000;
      options.limits.max_output = size_t{1} << 18;
      options.limits.max_memory = size_t{16} << 20;
      clamma::RenderedText out;
      const Status status = chat_template.Render(memory, root, options, &out);
      CheckReason(status, out.was_raised);
      size_t place = 0;
      for (size_t i = 0; i < out.caller.size(); ++i) {
        const clamma::TextRange range = out.caller[i];
        Demand(range.begin >= place && range.begin < range.end && range.end <= out.text.size());
        place = range.end + 1;
      }
      Demand(status.ok() || (out.text.size() == 0 && out.caller.size() == 0));
    }
  }
  Demand(memory.bytes_in_use() == 0);
  return 0;
}
