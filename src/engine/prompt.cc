// SPDX-License-Identifier: MIT
#include "engine/prompt.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace clamma {
namespace {

// The parts of a prompt in one piece of memory.
Status Join(Memory& memory, const std::string_view* parts, size_t n_parts, Array<char>* text) {
  uint64_t size = 0;
  for (size_t i = 0; i < n_parts; ++i) size += parts[i].size();
  CLAMMA_RETURN_IF_ERROR(text->Resize(memory, size));
  if (memory.is_plan()) return Status();
  char* out = text->data();
  for (size_t i = 0; i < n_parts; ++i) out = std::copy(parts[i].begin(), parts[i].end(), out);
  return Status();
}

// The parts, encoded as one text.
Status EncodeParts(Memory& memory, const Tokenizer& tokenizer, const std::string_view* parts,
                   size_t n_parts, const Tokenizer::EncodeOptions& options, Array<TokenId>* tokens,
                   size_t* count) {
  Array<char> text;
  CLAMMA_RETURN_IF_ERROR(Join(memory, parts, n_parts, &text));
  return tokenizer.Encode(memory, {text.data(), text.size()}, options, tokens, count);
}

Status EncodeGen(Memory& memory, const Tokenizer& tokenizer, const PromptTexts& texts, TokenId last,
                 Array<TokenId>* tokens, size_t* count) {
  const bool opens = last == kNoToken || tokenizer.EndsText(last);
  std::string_view parts[3];
  size_t n = 0;
  if (texts.system != nullptr && texts.system[0] != '\0') {
    parts[n++] = texts.system;
    parts[n++] = "\n";
  }
  if (texts.prompt != nullptr) {
    parts[n++] = texts.prompt;
  } else if (opens && n == 0) {
    parts[n++] = "\n\n";
  }
  Tokenizer::EncodeOptions options;
  options.dummy_prefix = opens && tokenizer.adds_prefix();
  // A text that BOS itself ended has it already.
  options.bos = opens && tokenizer.adds_bos() && last != tokenizer.bos();
  return EncodeParts(memory, tokenizer, parts, n, options, tokens, count);
}

Status EncodeChat(Memory& memory, const Tokenizer& tokenizer, const PromptTexts& texts,
                  TokenId last, Array<TokenId>* tokens, size_t* count) {
  const bool first = last == kNoToken;
  if (texts.prompt == nullptr) {
    if (!first && !tokenizer.EndsText(last)) return Status();
    return Status::Error(StatusCode::kInvalidArgument,
                         "a chat's query needs a prompt, but to go on with an answer");
  }
  if (!first && last != tokenizer.eos()) {
    // An answer that was cut off is closed like any other.
    Tokenizer::EncodeOptions close;
    close.eos = true;
    CLAMMA_RETURN_IF_ERROR(tokenizer.Encode(memory, {}, close, tokens, count));
  }
  const bool with_system = first && texts.system != nullptr && texts.system[0] != '\0';
  std::string_view parts[6];
  size_t n = 0;
  parts[n++] = "[INST] ";
  if (with_system) {
    parts[n++] = "<<SYS>>\n";
    parts[n++] = texts.system;
    parts[n++] = "\n<</SYS>>\n\n";
  }
  parts[n++] = texts.prompt;
  parts[n++] = " [/INST]";
  Tokenizer::EncodeOptions options;
  options.bos = true;
  options.dummy_prefix = true;
  return EncodeParts(memory, tokenizer, parts, n, options, tokens, count);
}

}  // namespace

Status EncodePrompt(Memory& memory, const Tokenizer& tokenizer, ModelType type,
                    const PromptTexts& texts, TokenId last, size_t room, Array<TokenId>* tokens,
                    size_t* count) {
  *count = 0;
  size_t size = texts.prompt == nullptr ? 0 : std::strlen(texts.prompt);
  if (texts.system != nullptr) size += std::strlen(texts.system);
  CLAMMA_RETURN_IF_ERROR(CheckFits(tokenizer, size, room));
  return type == ModelType::kChat ? EncodeChat(memory, tokenizer, texts, last, tokens, count)
                                  : EncodeGen(memory, tokenizer, texts, last, tokens, count);
}

Status CheckFits(const Tokenizer& tokenizer, size_t size, size_t room) {
  if (size / tokenizer.longest_token() <= room) return Status();
  return Status::Error(
      StatusCode::kLimit,
      "a text of %zu bytes takes at least %zu positions, and %zu of the context's are "
      "left",
      size, size / tokenizer.longest_token(), room);
}

}  // namespace clamma
