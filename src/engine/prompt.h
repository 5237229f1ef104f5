// SPDX-License-Identifier: MIT
// How a query's texts, or a chat's messages, become the tokens that go in front of the answer.
#ifndef CLAMMA_ENGINE_PROMPT_H_
#define CLAMMA_ENGINE_PROMPT_H_

#include <cstddef>

#include "chat/chat_format.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

enum class ModelType : uint8_t { kGen, kChat };

struct PromptTexts {
  const char* system = nullptr;  // nullptr: none
  const char* prompt = nullptr;  // nullptr: none given
};

struct PromptFormat {
  const Tokenizer& tokenizer;
  ModelType type;
  const ChatFormat* chat;  // nullptr: Llama 2's, as below
};

// Writes the *count tokens that a query adds to a conversation that ends in `last` (kNoToken: to an
// empty one). Texts that cannot fit in `room` positions, however they are encoded, are refused at
// once.
//
// GEN: in an empty conversation, or one whose last token ended a text, BOS and the texts: `system`
// on a line of its own, then `prompt`; with neither, "\n\n", as the original system opened; an
// empty prompt alone is BOS alone (an error where there is none). Otherwise the texts go on where
// the conversation stopped, as they are.
//
// CHAT: what the chat format makes of the system prompt, in an empty conversation only, and of
// `prompt` as the user's turn; before that, what closes the answer that ends in `last`. Without a
// format it is Llama 2's: "[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{prompt} [/INST]" behind BOS, and
// EOS behind each answer. No prompt goes on with an answer that was cut off, and adds nothing.
Status EncodePrompt(Memory& memory, const PromptFormat& format, const PromptTexts& texts,
                    TokenId last, size_t room, Array<TokenId>* tokens, size_t* count);

// Writes the *count tokens, at least one, of which a conversation of these messages consists. Parts
// that `held` has already keep their tokens: see ChatFormat::Encode(). Texts that cannot fit in
// `room` positions, however they are encoded, are refused at once.
Status EncodeChat(Memory& memory, const ChatFormat* format, const ChatRequest& request,
                  const TokenId* held, size_t n_held, size_t room, Array<TokenId>* tokens,
                  size_t* count);

// Refuses `size` bytes of text that take more than `room` positions even in the longest tokens: it
// would be a waste to encode them.
Status CheckFits(const Tokenizer& tokenizer, size_t size, size_t room);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_PROMPT_H_
