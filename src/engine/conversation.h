// SPDX-License-Identifier: MIT
// The state of a session that is saved and restored: its tokens and their keys and values.
#ifndef CLAMMA_ENGINE_CONVERSATION_H_
#define CLAMMA_ENGINE_CONVERSATION_H_

#include <cstddef>
#include <cstdint>

#include "engine/sampler.h"
#include "model/config.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "platform/features.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// How a conversation shares pages with others: see prefix_cache.h.
struct Sharing {
  uint64_t salt = 0;
  size_t n_open = 0;  // pages within the first so many tokens are shared whatever the salt
  // Whether its pages may enter the tree: not if any was read from a saved session, as that may be
  // forged, or was computed for another salt.
  bool enters = true;
  size_t cached_tokens = 0;  // positions that the last query did not have to compute
  size_t n_kept = 0;         // how many tokens the query keeps for which memory is reserved
};

struct Conversation {
  // `memory` and `config`, that of the model, must outlive this.
  void Init(Memory& memory, const ModelConfig& config, KvType type);

  // The number of tokens that are not in the KV cache yet.
  size_t waiting() const { return n_tokens - position; }

  // Makes room for `size` tokens. Grows by doubling, up to seq_len + 1 tokens.
  Status ReserveTokens(size_t size);
  // Allocates all memory for `positions` positions and one more token: from `shared` that of the
  // forward pass, from this object's memory the rest. (In builds with a prefix cache call SetKept()
  // before.) On failure, only the KV cache's page table may be larger than before, and pages that
  // were shared may be copies.
  Status ReserveWhole(size_t positions, Forward& forward, Memory& shared);
  // Adds the memory that ReserveWhole() would allocate to a plan.
  Status PlanWhole(size_t positions, Forward& forward, Memory& plan) const;

  // Keeps the first n_kept tokens and appends `added` (n_added), for which there must be room. The
  // last token then waits, even if it was in the KV cache.
  void Replace(size_t n_kept, const TokenId* added, size_t n_added);
  // Makes the last token wait, so that the next pass computes its logits (again).
  void LetLastWait();

  // Makes room for the next `count` waiting tokens and fills in their rows.
  Status AddRows(size_t count, ForwardRow* rows);
  // Call when the model has computed these rows. Fails if the type of the KV cache cannot represent
  // their keys and values.
  Status Advance(size_t count);

  // Recomputes from the first token if the KV cache cannot be used.
  void StartAnewIfNeeded();

  bool in_arena() const { return memory_->arena() != nullptr; }

  void Swap(Conversation& other);  // both must have the same model, type and memory

  KvCache kv;
  Array<TokenId> tokens;  // [0, position) are in the KV cache, [position, n_tokens) wait
  size_t n_tokens = 0;    // at most seq_len + 1: the last token needs no position
  size_t position = 0;
  RandomGenerator random;  // of the last query
  uint64_t seed = 0;       // of the last query
  // Only while saving and loading: the bytes of a character that the last query left unfinished.
  char held[3] = {};
  size_t n_held = 0;

  [[no_unique_address]] OnlyIf<kHasPrefixCache, Sharing> sharing;

 private:
  size_t TokensFor(size_t size) const;

  Memory* memory_ = nullptr;
  const ModelConfig* config_ = nullptr;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_CONVERSATION_H_
