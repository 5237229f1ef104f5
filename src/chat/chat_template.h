// SPDX-License-Identifier: MIT
// Chat templates: the subset of Jinja2 that templates for Hugging Face's transformers use.
// Rendering yields a text and the ranges of its bytes that came from the caller.
//
// The environment is that of transformers: ImmutableSandboxedEnvironment(trim_blocks=True,
// lstrip_blocks=True), loopcontrols, the tag `generation`, raise_exception, strftime_now, and
// tojson as json.dumps.
//
// Neither templates nor contexts are trusted. Each step of the work is counted and bounded, and an
// unsupported feature is refused by name.
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
  static constexpr size_t kMaxSource = size_t{1} << 20;        // bytes of the source
  static constexpr size_t kMaxNodes = size_t{1} << 18;         // of the syntax tree
  static constexpr size_t kMaxParseMemory = size_t{64} << 20;  // bytes
  // How deeply expressions and statements may be nested: kMaxNesting in the source, kMaxDepth while
  // rendering, where calls of macros also count. Keeps the stack below 48 KB.
  static constexpr unsigned kMaxNesting = 90;
  static constexpr unsigned kMaxDepth = 64;
  static constexpr int64_t kMaxRange = 100000;  // numbers of a range, as in Jinja2's sandbox

  uint64_t max_steps = 20'000'000;        // expressions, statements, and 64 bytes of processed text
  size_t max_output = size_t{64} << 20;   // bytes
  size_t max_memory = size_t{256} << 20;  // bytes, while rendering
};

struct RenderOptions {
  int64_t seconds = 0;     // since 1970-01-01 UTC: the time of strftime_now
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

  // Copies the source. `memory` must outlive the template. On failure the template is empty, and
  // the message names the line, the column and the text there.
  Status Parse(Memory& memory, std::string_view source);
  void Reset();
  bool is_empty() const { return root_ == nullptr; }

  // `context` is a dict (ChatContext::Finish()). On failure `out` is empty; if the template called
  // raise_exception(), the message is exactly its text, made one line and cut off as in Status. Any
  // number of threads may render the same template, each with its own memory.
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
