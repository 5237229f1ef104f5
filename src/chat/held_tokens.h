// SPDX-License-Identifier: MIT
// Keeps the tokens of a text that is encoded again.
#ifndef CLAMMA_CHAT_HELD_TOKENS_H_
#define CLAMMA_CHAT_HELD_TOKENS_H_

#include <cstddef>

#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// Replaces each part between two control tokens of tokens (*count) by the part of held (n_held)
// with the same bytes, in the same order. A model may have generated a text with other tokens than
// its encoding has: in this way they stay, and so do their keys and values.
Status KeepHeldTokens(Memory& memory, const Tokenizer& tokenizer, const TokenId* held,
                      size_t n_held, Array<TokenId>* tokens, size_t* count);

}  // namespace clamma

#endif  // CLAMMA_CHAT_HELD_TOKENS_H_
