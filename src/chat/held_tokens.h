// SPDX-License-Identifier: MIT
// A text that is encoded once more keeps the tokens that it had.
#ifndef CLAMMA_CHAT_HELD_TOKENS_H_
#define CLAMMA_CHAT_HELD_TOKENS_H_

#include <cstddef>

#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// Of *count tokens, takes each part between two control tokens that `held` has, too, of the same
// bytes and in the same order, from there. A model may have generated a text by other tokens than
// it would be encoded to: like this they stay, and what was computed for them.
Status KeepHeldTokens(Memory& memory, const Tokenizer& tokenizer, const TokenId* held,
                      size_t n_held, Array<TokenId>* tokens, size_t* count);

}  // namespace clamma

#endif  // CLAMMA_CHAT_HELD_TOKENS_H_
