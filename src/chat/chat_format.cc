// SPDX-License-Identifier: MIT
#include "chat/chat_format.h"

#include <algorithm>

#include "chat/builtin_templates.h"
#include "chat/held_tokens.h"
#include "model/files/gguf.h"
#include "platform/clock.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

constexpr std::string_view kTemplateKey = "tokenizer.chat_template";

// Whether a text is a template, and not the name of a template.
bool IsTemplate(std::string_view text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '{' && (text[i + 1] == '{' || text[i + 1] == '%')) return true;
  }
  return false;
}

// Finds the template with this name in a GGUF file; *source stays unchanged if there is none.
Status FindNamed(const Gguf& gguf, std::string_view name, std::string_view* source) {
  std::string_view key;
  GgufValue value;
  for (Gguf::Keys keys(gguf); keys.Next(&key, &value);) {
    if (key.size() != kTemplateKey.size() + 1 + name.size() || !StartsWith(key, kTemplateKey)) {
      continue;
    }
    key.remove_prefix(kTemplateKey.size());
    if (key[0] != '.') continue;
    key.remove_prefix(1);
    if (key == name && value.String(source)) return Status();
  }
  return Status();
}

Status UnknownTemplate(std::string_view name) {
  char names[160] = "";
  for (size_t i = 0; i < kBuiltinTemplateCount; ++i) {
    const size_t used = std::string_view(names).size();
    Format(names + used, sizeof(names) - used, "%s%s", i == 0 ? "" : ", ",
           kBuiltinTemplates[i].name);
  }
  return Status::Error(
      StatusCode::kInvalidArgument,
      "there is no chat template %s: it is neither a template's text, nor the name "
      "of one in the file, nor one of %s",
      Quoted(name).c_str(), names);
}

}  // namespace

Status ChatFormat::Open(Memory& memory, const Gguf* gguf, const Tokenizer& tokenizer,
                        std::string_view wanted) {
  tokenizer_ = &tokenizer;
  if (memory.is_plan()) {
    return IsTemplate(wanted) ? copy_.Resize(memory, wanted.size()) : Status();
  }
  channels_ = FindChannelMarks(tokenizer);
  CLAMMA_RETURN_IF_ERROR(Choose(gguf, wanted));
  if (wanted.empty() || name_ == nullptr) return Status();
  if (source_.data() == wanted.data()) {  // the caller's text may not outlive the call
    CLAMMA_RETURN_IF_ERROR(copy_.Resize(memory, wanted.size()));
    std::copy(wanted.begin(), wanted.end(), copy_.data());
    source_ = {copy_.data(), copy_.size()};
  }
  if (memory.arena() != nullptr) return Status();
  ChatTemplate trial;
  return Locate("the chat template", trial.Parse(memory, source_));
}

// Sets name_ and source_, unless there is none.
Status ChatFormat::Choose(const Gguf* gguf, std::string_view wanted) {
  if (IsTemplate(wanted)) {
    name_ = "given";
    source_ = wanted;
    return Status();
  }
  if (wanted.empty() && gguf != nullptr) {
    CLAMMA_RETURN_IF_ERROR(gguf->GetString(kTemplateKey, Gguf::Presence::kOptional, &source_));
  } else if (gguf != nullptr) {
    CLAMMA_RETURN_IF_ERROR(FindNamed(*gguf, wanted, &source_));
  }
  if (!source_.empty()) {
    name_ = "the model's own";
    return Status();
  }
  const BuiltinTemplate* builtin = FindBuiltinTemplate(wanted);
  if (builtin == nullptr && !wanted.empty()) return UnknownTemplate(wanted);
  if (wanted.empty()) {
    builtin = Guess(gguf);
    is_guessed_ = gguf != nullptr;
  }
  if (builtin != nullptr) {
    name_ = builtin->name;
    source_ = builtin->source;
  }
  return Status();
}

const BuiltinTemplate* ChatFormat::Guess(const Gguf* gguf) const {
  if (gguf == nullptr) return FindBuiltinTemplate("llama2");
  std::string_view architecture;
  const Status status =
      gguf->GetString("general.architecture", Gguf::Presence::kOptional, &architecture);
  if (!status.ok()) return nullptr;
  const auto has_piece = [](void* opaque, std::string_view piece) {
    return static_cast<const Tokenizer*>(opaque)->Find(piece) != kNoToken;
  };
  return GuessTemplate(architecture, has_piece, const_cast<Tokenizer*>(tokenizer_));
}

// Estimates the memory for parsing and rendering: 1.5 times what the templates of a dozen models
// took.
Status ChatFormat::PlanRender(Memory& plan, const ChatRequest& request, RenderedText* out) const {
  uint64_t bytes = request.tools.size() + request.arguments.size();
  for (size_t i = 0; i < request.n_messages; ++i) {
    const ChatMessage& m = request.messages[i];
    bytes += 64 + m.content.size() + m.content_parts.size() + m.reasoning_content.size() +
             m.tool_calls.size();
  }
  plan.PlanFor(uint64_t{48} * source_.size() + 24 * bytes + (64 << 10));
  return out->text.Resize(plan, source_.size() + 2 * bytes);
}

// If answers are in channels, an answer that is passed back as it was issued begins with its
// reasoning, which the template wants separately.
Status ChatFormat::AddMessage(const ChatMessage& message, ChatContext* context) const {
  ChatMessage parted = message;
  if (channels_.format != nullptr && message.role == "assistant" &&
      message.reasoning_content.data() == nullptr) {
    PartReasoning(message.content, &parted.reasoning_content, &parted.content);
  }
  return context->AddMessage(parted);
}

// Adds the caller's request to the context.
Status ChatFormat::AddRequest(const ChatRequest& request, ChatContext* context) const {
  for (size_t i = 0; i < request.n_messages; ++i) {
    const Status status = AddMessage(request.messages[i], context);
    if (status.ok()) continue;
    char place[32];
    Format(place, sizeof(place), "message %zu", i);
    return Locate(place, status);
  }
  if (!request.tools.empty()) {
    CLAMMA_RETURN_IF_ERROR(Locate("the tools", context->SetTools(request.tools)));
  }
  if (!request.arguments.empty()) {
    const Status status = context->SetArguments(request.arguments);
    CLAMMA_RETURN_IF_ERROR(Locate("the template's arguments", status));
  }
  return context->SetAddGenerationPrompt(request.add_generation_prompt);
}

Status ChatFormat::Render(Memory& scratch, const ChatRequest& request, RenderedText* out) const {
  if (name_ == nullptr) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "the chat format of the model is unknown: give a chat_template");
  }
  if (scratch.is_plan()) return PlanRender(scratch, request, out);
  ChatTemplate parsed;
  CLAMMA_RETURN_IF_ERROR(Locate("the chat template", parsed.Parse(scratch, source_)));
  ChatContext context(scratch);
  CLAMMA_RETURN_IF_ERROR(AddRequest(request, &context));
  CLAMMA_RETURN_IF_ERROR(context.SetToken("bos_token", tokenizer_->Piece(tokenizer_->bos())));
  CLAMMA_RETURN_IF_ERROR(context.SetToken("eos_token", tokenizer_->Piece(tokenizer_->eos())));
  Value root;
  CLAMMA_RETURN_IF_ERROR(context.Finish(&root));
  RenderOptions options;
  options.seconds = request.time;
  if (request.time == 0) LocalTime(&options.seconds, &options.utc_offset);
  const Status status = parsed.Render(scratch, root, options, out);
  return status.ok() || out->was_raised ? status : Locate("the chat template", status);
}

Status ChatFormat::EncodePart(Memory& memory, const RenderedText& rendered, Array<TokenId>* tokens,
                              size_t* count) const {
  *count = 0;
  Tokenizer::EncodeOptions options;
  options.parse_control = true;
  options.data = rendered.caller.data();
  options.n_data = rendered.caller.size();
  return tokenizer_->Encode(memory, {rendered.text.data(), rendered.text.size()}, options, tokens,
                            count);
}

Status ChatFormat::Encode(Memory& memory, const RenderedText& rendered, const TokenId* held,
                          size_t n_held, Array<TokenId>* tokens, size_t* count) const {
  *count = 0;
  Tokenizer::EncodeOptions options;
  options.parse_control = true;
  options.data = rendered.caller.data();
  options.n_data = rendered.caller.size();
  options.dummy_prefix = tokenizer_->adds_prefix();
  const std::string_view text(rendered.text.data(), rendered.text.size());
  options.bos = tokenizer_->adds_bos() && (memory.is_plan() || !BeginsWithBos(text, rendered));
  CLAMMA_RETURN_IF_ERROR(tokenizer_->Encode(memory, text, options, tokens, count));
  return KeepHeldTokens(memory, *tokenizer_, held, n_held, tokens, count);
}

// Whether the text begins with a BOS from the template.
bool ChatFormat::BeginsWithBos(std::string_view text, const RenderedText& rendered) const {
  const std::string_view bos = tokenizer_->Piece(tokenizer_->bos());
  const bool by_caller = rendered.caller.size() > 0 && rendered.caller[0].begin < bos.size();
  return !bos.empty() && StartsWith(text, bos) && !by_caller;
}

}  // namespace clamma
