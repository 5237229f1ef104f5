// SPDX-License-Identifier: MIT
// The chat format of a model: its own template, or that of its family.
#ifndef CLAMMA_CHAT_CHAT_FORMAT_H_
#define CLAMMA_CHAT_CHAT_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/channels.h"
#include "chat/chat_context.h"
#include "chat/chat_template.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

class Gguf;
struct BuiltinTemplate;

struct ChatRequest {
  const ChatMessage* messages = nullptr;  // (n_messages)
  size_t n_messages = 0;
  std::string_view tools;      // JSON: an array; empty: none
  std::string_view arguments;  // JSON: an object of further names for the template; empty: none
  int64_t time = 0;            // local, in seconds since 1970-01-01; 0: the clock's
  bool add_generation_prompt = true;  // end with the text that opens the model's answer
};

// Constant once open, so any number of threads may use it.
class ChatFormat {
 public:
  // Selects the template: if `wanted` is not empty, the template that it contains or names (a
  // family, or one of several in the file); else the file's; else that of the family, guessed from
  // the vocabulary, or "llama2" for a model that is not a GGUF file (gguf is nullptr). The file,
  // whose metadata this refers to, and the tokenizer must outlive it.
  //
  // Each Render() parses the template, so that it takes no memory in between. Without an arena, a
  // `wanted` template is also parsed here, and refused if that fails.
  Status Open(Memory& memory, const Gguf* gguf, const Tokenizer& tokenizer,
              std::string_view wanted);

  // The name of the format: "the model's own", "chatml" ...; nullptr: the model has none.
  const char* name() const { return name_; }
  // Whether it is the family's, guessed from the vocabulary.
  bool is_guessed() const { return is_guessed_; }

  // Renders the messages. Uses `scratch` during the call, and for the contents of `out`. A plan
  // does not read the texts: the size of the result is estimated.
  Status Render(Memory& scratch, const ChatRequest& request, RenderedText* out) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }

  // The marks of the channels in which answers are written, if they are.
  const ChannelMarks& channels() const { return channels_; }

  // Encodes a chat: names of control tokens become control tokens if they come from the template,
  // not from a message; exactly one BOS is first if the model uses one. A part between two control
  // tokens that held (n_held) also contains, in the same order, keeps the tokens of `held`, so that
  // an answer keeps the tokens with which it was generated. (`memory` is that of *tokens.)
  Status Encode(Memory& memory, const RenderedText& rendered, const TokenId* held, size_t n_held,
                Array<TokenId>* tokens, size_t* count) const;

  // Encodes a part of a chat that is not its beginning.
  Status EncodePart(Memory& memory, const RenderedText& rendered, Array<TokenId>* tokens,
                    size_t* count) const;

 private:
  Status Choose(const Gguf* gguf, std::string_view wanted);
  Status AddMessage(const ChatMessage& message, ChatContext* context) const;
  Status AddRequest(const ChatRequest& request, ChatContext* context) const;
  Status PlanRender(Memory& plan, const ChatRequest& request, RenderedText* out) const;
  bool BeginsWithBos(std::string_view text, const RenderedText& rendered) const;
  const BuiltinTemplate* Guess(const Gguf* gguf) const;

  const Tokenizer* tokenizer_ = nullptr;
  ChannelMarks channels_;
  const char* name_ = nullptr;
  bool is_guessed_ = false;
  std::string_view source_;
  Array<char> copy_;  // of a `wanted` template
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_CHAT_FORMAT_H_
