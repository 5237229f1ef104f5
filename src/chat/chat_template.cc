// SPDX-License-Identifier: MIT
#include "chat/chat_template.h"

#include <cstring>

#include "chat/template/interpreter.h"
#include "chat/template/parser.h"

namespace clamma {
namespace {

// Copies the source as Jinja2 reads it: lines end in '\n', except the last one. Returns the length.
size_t Normalize(std::string_view source, char* out) {
  size_t n = 0;
  for (size_t i = 0; i < source.size(); ++i) {
    const char c = source[i];
    out[n++] = c == '\r' ? '\n' : c;
    if (c == '\r' && i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (n > 0 && out[n - 1] == '\n') --n;
  return n;
}

// Counts the ranges of bytes with origin kCaller, and writes them unless `ranges` is nullptr.
size_t FindRanges(const TextBuilder& text, TextRange* ranges) {
  size_t n = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const Origin origin = text.OriginOf(i);
    while (i < text.size() && text.OriginOf(i) == origin) ++i;
    if (origin != Origin::kCaller) continue;
    if (ranges != nullptr) ranges[n] = {begin, i};
    ++n;
  }
  return n;
}

}  // namespace

void ChatTemplate::Reset() {
  if (bump_ != nullptr) DeleteObject(memory_->arena(), bump_);
  bump_ = nullptr;
  root_ = nullptr;
  source_ = {};
}

Status ChatTemplate::Parse(Memory& memory, std::string_view source) {
  Reset();
  if (source.size() > TemplateLimits::kMaxSource) {
    return Status::Error(StatusCode::kLimit, "the chat template has %zu bytes: the limit is %zu",
                         source.size(), TemplateLimits::kMaxSource);
  }
  memory_ = &memory;
  bump_ = NewObject<Bump>(memory.arena(), memory, TemplateLimits::kMaxParseMemory);
  if (bump_ == nullptr) return Status::OutOfMemory(sizeof(Bump));
  auto* const copy = bump_->New<char>(source.size());
  if (copy == nullptr) {
    const Status status = bump_->status();
    Reset();
    return status;
  }
  source_ = {copy, Normalize(source, copy)};
  Parser parser(*bump_, source_);
  root_ = parser.Parse();
  if (root_ != nullptr) return Status();
  Reset();
  return parser.status();
}

Status ChatTemplate::Render(Memory& memory, const Value& context, const RenderOptions& options,
                            RenderedText* out) const {
  out->text.Reset();
  out->caller.Reset();
  out->was_raised = false;
  if (root_ == nullptr) return Status::Error(StatusCode::kInvalidArgument, "no chat template");
  Bump bump(memory, options.limits.max_memory);
  Interpreter interpreter(bump, source_, options, context);
  if (!interpreter.Run(root_)) {
    out->was_raised = interpreter.was_raised();
    return interpreter.status();
  }
  const TextBuilder& text = interpreter.output();
  CLAMMA_RETURN_IF_ERROR(out->text.Resize(memory, text.size()));
  if (text.size() > 0) std::memcpy(out->text.data(), text.view().data(), text.size());
  const Status status = out->caller.Resize(memory, FindRanges(text, nullptr));
  if (!status.ok()) {
    out->text.Reset();
    return status;
  }
  FindRanges(text, out->caller.data());
  return Status();
}

}  // namespace clamma
