// SPDX-License-Identifier: MIT
// How a model wants its chats: its own template, or that of its family.
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
  bool add_generation_prompt = true;  // end with what opens the model's answer
};

// Constant once open: any number of threads may use it.
class ChatFormat {
 public:
  // Takes the template that `wanted` is or names (a family, or one of several in the file); else
  // the file's; else the family's by its vocabulary, or "llama2" for a model that is no GGUF file
  // (gguf is nullptr). The file, whose metadata this refers to, and the tokenizer must outlive it.
  //
  // A template is parsed by each Render(), so that it takes no memory in between. One that is
  // `wanted` is tried at once, but in an arena, and refused if it cannot be used.
  Status Open(Memory& memory, const Gguf* gguf, const Tokenizer& tokenizer,
              std::string_view wanted);

  // What it is: "the model's own", "chatml" ...; nullptr: the model has none.
  const char* name() const { return name_; }
  // Whether it is the family's, by a guess.
  bool is_guessed() const { return is_guessed_; }

  // `scratch` is for the duration of the call, and for what `out` holds. A plan does not look at
  // texts: what a template makes of them is estimated.
  Status Render(Memory& scratch, const ChatRequest& request, RenderedText* out) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }

  // By which answers are in channels, if they are.
  const ChannelMarks& channels() const { return channels_; }

  // The tokens of a chat: control tokens where the template, not a message, has their texts, and
  // exactly one BOS in front if the model wants one. Of these, parts between control tokens that
  // `held` has, too, in the same order, are taken from there: so that an answer keeps the tokens
  // by which it was generated. (Memory is that of *tokens.)
  Status Encode(Memory& memory, const RenderedText& rendered, const TokenId* held, size_t n_held,
                Array<TokenId>* tokens, size_t* count) const;

  // The same of a part of a chat that is not its beginning.
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
  Array<char> copy_;  // of a source that was given
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_CHAT_FORMAT_H_
