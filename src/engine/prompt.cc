// SPDX-License-Identifier: MIT
#include "engine/prompt.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace clamma {
namespace {

// Concatenates the parts of a prompt.
Status Join(Memory& memory, const std::string_view* parts, size_t n_parts, Array<char>* text) {
  uint64_t size = 0;
  for (size_t i = 0; i < n_parts; ++i) size += parts[i].size();
  CLAMMA_RETURN_IF_ERROR(text->Resize(memory, size));
  if (memory.is_plan()) return Status();
  char* out = text->data();
  for (size_t i = 0; i < n_parts; ++i) out = std::copy(parts[i].begin(), parts[i].end(), out);
  return Status();
}

// Encodes the parts as one text.
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
  bool is_empty = kHasGguf;  // llama2.c's vocabularies always add BOS
  for (size_t i = 0; i < n; ++i) is_empty = is_empty && parts[i].empty();
  Tokenizer::EncodeOptions options;
  options.dummy_prefix = opens && tokenizer.adds_prefix();
  // An empty text gets BOS even if the tokenizer adds none. A BOS at the end of the conversation is
  // not repeated.
  options.bos = opens && (tokenizer.adds_bos() || is_empty) && last != tokenizer.bos();
  return EncodeParts(memory, tokenizer, parts, n, options, tokens, count);
}

// Encodes a turn in Llama 2's format.
Status EncodeLlama2Turn(Memory& memory, const Tokenizer& tokenizer, const PromptTexts& texts,
                        TokenId last, Array<TokenId>* tokens, size_t* count) {
  const bool first = last == kNoToken;
  const bool closed = tokenizer.EndsText(last) && last != tokenizer.bos();
  if (!first && !closed) {
    // An answer that was cut off is also closed by EOS.
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

// A placeholder for the answer that is already in the conversation.
constexpr std::string_view kAnswer = "clamma-answer";

// Copies the part of a rendered chat after the answer: its text, and the origin of its bytes.
Status TailBehindAnswer(Memory& memory, const RenderedText& rendered, RenderedText* tail) {
  const std::string_view text(rendered.text.data(), rendered.text.size());
  const size_t found = text.find(kAnswer);
  if (found == std::string_view::npos) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "the chat template leaves answers out, so that a query cannot add a turn "
                         "to them: use clamma_chat_query()");
  }
  const size_t begin = found + kAnswer.size();
  CLAMMA_RETURN_IF_ERROR(tail->text.Resize(memory, text.size() - begin));
  std::copy(text.begin() + static_cast<ptrdiff_t>(begin), text.end(), tail->text.data());
  size_t first = 0;
  while (first < rendered.caller.size() && rendered.caller[first].end <= begin) ++first;
  CLAMMA_RETURN_IF_ERROR(tail->caller.Resize(memory, rendered.caller.size() - first));
  for (size_t i = 0; i < tail->caller.size(); ++i) {
    const TextRange& range = rendered.caller[first + i];
    tail->caller[i] = {std::max(range.begin, begin) - begin, range.end - begin};
  }
  return Status();
}

// If `last` ended the answer, removes the tokens that would close it again: those up to the next
// `last`, unless anything but white space precedes it.
void DropClosing(const Tokenizer& tokenizer, TokenId last, Array<TokenId>* tokens, size_t* count) {
  if (!tokenizer.EndsText(last)) return;
  for (size_t i = 0; i < *count; ++i) {
    if ((*tokens)[i] == last) {
      *count = static_cast<size_t>(
          std::copy(tokens->data() + i + 1, tokens->data() + *count, tokens->data()) -
          tokens->data());
      return;
    }
    const std::string_view bytes = tokenizer.Bytes((*tokens)[i]);
    if (bytes.empty() || bytes.find_first_not_of(" \n") != std::string_view::npos) return;
  }
}

ChatMessage MakeMessage(std::string_view role, std::string_view content) {
  ChatMessage message;
  message.role = role;
  message.content = content;
  return message;
}

Status RenderMessages(Memory& memory, const ChatFormat& chat, const ChatMessage* messages, size_t n,
                      RenderedText* rendered) {
  ChatRequest request;
  request.messages = messages;
  request.n_messages = n;
  return chat.Render(memory, request, rendered);
}

Status EncodeFirstTurn(Memory& memory, const PromptFormat& format, const PromptTexts& texts,
                       Array<TokenId>* tokens, size_t* count) {
  const bool with_system = texts.system != nullptr && texts.system[0] != '\0';
  const ChatMessage messages[2] = {MakeMessage("system", with_system ? texts.system : ""),
                                   MakeMessage("user", texts.prompt)};
  const size_t first = with_system ? 0 : 1;
  RenderedText rendered;
  CLAMMA_RETURN_IF_ERROR(
      RenderMessages(memory, *format.chat, messages + first, 2 - first, &rendered));
  return format.chat->Encode(memory, rendered, nullptr, 0, tokens, count);
}

Status EncodeFurtherTurn(Memory& memory, const PromptFormat& format, const PromptTexts& texts,
                         TokenId last, Array<TokenId>* tokens, size_t* count) {
  const ChatMessage messages[3] = {MakeMessage("user", "x"), MakeMessage("assistant", kAnswer),
                                   MakeMessage("user", texts.prompt)};
  RenderedText rendered;
  CLAMMA_RETURN_IF_ERROR(RenderMessages(memory, *format.chat, messages, 3, &rendered));
  if (memory.is_plan()) return format.chat->EncodePart(memory, rendered, tokens, count);
  RenderedText tail;
  CLAMMA_RETURN_IF_ERROR(TailBehindAnswer(memory, rendered, &tail));
  CLAMMA_RETURN_IF_ERROR(format.chat->EncodePart(memory, tail, tokens, count));
  DropClosing(format.tokenizer, last, tokens, count);
  return Status();
}

Status EncodeTurn(Memory& memory, const PromptFormat& format, const PromptTexts& texts,
                  TokenId last, Array<TokenId>* tokens, size_t* count) {
  const bool first = last == kNoToken;
  if (texts.prompt == nullptr) {
    if (!first && !format.tokenizer.EndsText(last)) return Status();
    return Status::Error(StatusCode::kInvalidArgument,
                         "a chat's query needs a prompt, but to go on with an answer");
  }
  if constexpr (kHasGguf) {
    if (format.chat != nullptr) {
      return first ? EncodeFirstTurn(memory, format, texts, tokens, count)
                   : EncodeFurtherTurn(memory, format, texts, last, tokens, count);
    }
  }
  return EncodeLlama2Turn(memory, format.tokenizer, texts, last, tokens, count);
}

}  // namespace

Status EncodePrompt(Memory& memory, const PromptFormat& format, const PromptTexts& texts,
                    TokenId last, size_t room, Array<TokenId>* tokens, size_t* count) {
  *count = 0;
  size_t size = texts.prompt == nullptr ? 0 : std::strlen(texts.prompt);
  if (texts.system != nullptr) size += std::strlen(texts.system);
  CLAMMA_RETURN_IF_ERROR(CheckFits(format.tokenizer, size, room));
  CLAMMA_RETURN_IF_ERROR(format.type == ModelType::kChat
                             ? EncodeTurn(memory, format, texts, last, tokens, count)
                             : EncodeGen(memory, format.tokenizer, texts, last, tokens, count));
  if (!kHasGguf || *count > 0 || last != kNoToken || memory.is_plan()) return Status();
  return Status::Error(StatusCode::kInvalidArgument,
                       "the prompt gives no tokens, and a text must begin with one");
}

Status EncodeChat(Memory& memory, const ChatFormat* format, const ChatRequest& request,
                  const TokenId* held, size_t n_held, size_t room, Array<TokenId>* tokens,
                  size_t* count) {
  *count = 0;
  if (!kHasGguf || format == nullptr) {
    return Status::Error(StatusCode::kInvalidArgument, "this build has no chat templates");
  }
  if constexpr (kHasGguf) {
    RenderedText rendered;
    CLAMMA_RETURN_IF_ERROR(format->Render(memory, request, &rendered));
    const size_t size = memory.is_plan() ? 0 : rendered.text.size();
    CLAMMA_RETURN_IF_ERROR(CheckFits(format->tokenizer(), size, room));
    CLAMMA_RETURN_IF_ERROR(format->Encode(memory, rendered, held, n_held, tokens, count));
  }
  if (*count > 0 || memory.is_plan()) return Status();
  return Status::Error(StatusCode::kInvalidArgument,
                       "the chat template makes nothing of these messages");
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
