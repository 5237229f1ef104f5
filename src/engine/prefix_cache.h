// SPDX-License-Identifier: MIT
// The prefix cache: conversations of a transformer whose contexts begin with the same tokens, under
// the same salt, have the same pages of the KV cache. A page enters the tree of KvPages as it fills
// and stays as long as a session has it; after that it is idle, and is freed when room is needed. A
// hit changes no bit, because the bits of a position depend only on the tokens up to it.
//
// These functions do nothing for conversations that share no pages. Those that find or enter pages
// need the scheduler's turn.
#ifndef CLAMMA_ENGINE_PREFIX_CACHE_H_
#define CLAMMA_ENGINE_PREFIX_CACHE_H_

#include <cstddef>
#include <cstdint>

#include "engine/conversation.h"

namespace clamma {

class Transformer;

// Prepares the pages of a transformer that has been opened. At most idle_limit bytes of idle pages
// are kept.
void OpenPages(Transformer& transformer, uint64_t idle_limit);

// The pages for sessions of a transformer; nullptr: each has its own.
KvPages* SharedPagesOf(Transformer& transformer);

KvPages::Facts PageFacts(Transformer& transformer);

// Call this when a query begins, with its salt, and with tokens (n) that are no secret: where the
// conversation begins like them, whole pages are shared whatever the salt.
void SetSalt(uint64_t salt, const TokenId* open, size_t n, Conversation& conversation);

// Call this for a conversation that was read from a saved session, which may be forged: its pages
// are kept from others.
void Distrust(Conversation& conversation);

// Call this before memory is reserved, or planned, for a query that keeps the first n_kept tokens.
void SetKept(size_t n_kept, Conversation& conversation);

// The first position that may be written when that query has begun: the last token that it keeps
// may have to wait again.
size_t FirstWritten(const Conversation& conversation);

// Reserves `positions` in the KV cache; those from FirstWritten() on will be written. If the first
// attempt fails, it has evicted idle pages, whose memory may lie in gaps that are too small for it;
// a second one begins with the memory that is then in one piece.
Status ReservePages(size_t positions, Conversation& conversation);

// The number of positions that the last query took over from other contexts.
size_t CachedTokens(const Conversation& conversation);

// Takes over the whole pages of other contexts that hold more of the conversation's tokens than it
// has computed. The last token is always computed.
Status AttachPages(Conversation& conversation);

// Call this after AttachPages() if the conversation gets rows in this pass: it also copies the part
// of one more page.
Status CopyPart(Conversation& conversation);

// Enters the pages of the tokens that have been computed in the tree.
void EnterPages(Conversation& conversation);

// Whether the conversation should wait for pages of `other`, which has got `rows` rows in this
// pass: both begin alike, and those rows compute what this one would have to compute itself.
bool ShouldWaitFor(const Conversation& conversation, const Conversation& other, size_t rows);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_PREFIX_CACHE_H_
