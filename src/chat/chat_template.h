// SPDX-License-Identifier: MIT
// Chat templates: the Jinja2 of Hugging Face's transformers, as far as templates use it, rendered
// to a text that says which of its bytes came from the caller.
//
// What transformers sets up: ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True),
// loopcontrols, the tag `generation`, raise_exception, strftime_now, and tojson as json.dumps.
//
// Neither templates nor contexts are trusted. Each step of the work is counted and bounded, and
// what is not supported is refused by name.
#ifndef CLAMMA_CHAT_CHAT_TEMPLATE_H_
#define CLAMMA_CHAT_CHAT_TEMPLATE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/template/bump.h"
#include "chat/template/value.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "platform/text.h"

namespace clamma {

struct TemplateNode;

struct TemplateLimits {
  // Of a template.
  static constexpr size_t kMaxSource = size_t{1} << 20;        // bytes
  static constexpr size_t kMaxNodes = size_t{1} << 18;         // of the syntax tree
  static constexpr size_t kMaxParseMemory = size_t{64} << 20;  // bytes
  // Expressions and statements within each other, in the source and while rendering, where each
  // call of a macro counts, too. Keeps the stack below 48 KB.
  static constexpr unsigned kMaxNesting = 90;
  static constexpr unsigned kMaxDepth = 64;
  static constexpr int64_t kMaxRange = 100000;  // as Jinja2's sandbox

  uint64_t max_steps = 20'000'000;        // expressions, statements, 64 bytes of text worked on
  size_t max_output = size_t{64} << 20;   // bytes
  size_t max_memory = size_t{256} << 20;  // bytes, while rendering
};

struct RenderOptions {
  int64_t seconds = 0;     // since 1970-01-01 UTC: what strftime_now tells
  int32_t utc_offset = 0;  // seconds to add for local time
  TemplateLimits limits;
};

struct RenderedText {
  Array<char> text;
  Array<TextRange> caller;  // sorted, disjoint, not adjacent: bytes that came from the caller
  bool was_raised = false;  // the failure is the template's own raise_exception(message)
};

class ChatTemplate {
 public:
  ChatTemplate() = default;
  ~ChatTemplate() { Reset(); }
  ChatTemplate(const ChatTemplate&) = delete;
  ChatTemplate& operator=(const ChatTemplate&) = delete;

  // Copies what it needs of the source. `memory` must outlive the template. On failure the template
  // is empty, and the message names the line, the column and what stands there.
  Status Parse(Memory& memory, std::string_view source);
  void Reset();
  bool is_empty() const { return root_ == nullptr; }

  // `context` is a dict (ChatContext::root()). On failure `out` is empty; where the template called
  // raise_exception(), the message is exactly its text, cut and made one line as Status does.
  // Any number of threads may render the same template, each with a memory of its own.
  Status Render(Memory& memory, const Value& context, const RenderOptions& options,
                RenderedText* out) const;

 private:
  Memory* memory_ = nullptr;
  Bump* bump_ = nullptr;  // holds the syntax tree
  std::string_view source_;
  const TemplateNode* root_ = nullptr;
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_CHAT_TEMPLATE_H_
