// SPDX-License-Identifier: MIT
// Encodes a query's texts, or a chat's messages, as the tokens that precede the answer.
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
  const ChatFormat* chat;  // nullptr: Llama 2's format, see EncodePrompt()
};

// Writes the *count tokens that a query adds to a conversation whose last token is `last`
// (kNoToken: the conversation is empty). Texts that cannot fit in `room` positions, however they
// are encoded, are refused before they are encoded.
//
// GEN: if the conversation is empty, or its last token ended a text, the tokens are BOS and the
// texts: `system` on a line of its own, then `prompt`. If neither is given, the text is "\n\n", as
// in the original system. An empty prompt alone becomes BOS alone (an error if there is no BOS).
// Otherwise the texts are appended to the conversation as they are.
//
// CHAT: the chat format encodes the system prompt (only in an empty conversation) and `prompt` as
// the user's turn. The tokens that close the answer that ends in `last` come first. Llama 2's
// format is "[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{prompt} [/INST]" after BOS, with EOS after each
// answer. Without a prompt, an answer that was cut off continues: no tokens are added.
Status EncodePrompt(Memory& memory, const PromptFormat& format, const PromptTexts& texts,
                    TokenId last, size_t room, Array<TokenId>* tokens, size_t* count);

// Writes the *count tokens, at least one, of a conversation that consists of the request's
// messages. Parts that are also in `held` (n_held) keep their tokens: see ChatFormat::Encode().
// Texts that cannot fit in `room` positions, however they are encoded, are refused before they are
// encoded.
Status EncodeChat(Memory& memory, const ChatFormat* format, const ChatRequest& request,
                  const TokenId* held, size_t n_held, size_t room, Array<TokenId>* tokens,
                  size_t* count);

// Returns an error if `size` bytes of text take more than `room` positions even if every token is
// as long as the longest one, so that encoding them would be useless.
Status CheckFits(const Tokenizer& tokenizer, size_t size, size_t room);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_PROMPT_H_
