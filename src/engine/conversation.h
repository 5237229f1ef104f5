// SPDX-License-Identifier: MIT
// The tokens of a session and what the model has made of them: what is saved and restored.
#ifndef CLAMMA_ENGINE_CONVERSATION_H_
#define CLAMMA_ENGINE_CONVERSATION_H_

#include <cstddef>
#include <cstdint>

#include "engine/sampler.h"
#include "model/config.h"
#include "model/forward.h"
#include "model/kv_cache.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

struct Conversation {
  // Of a model's config; both must outlive this.
  void Init(Memory& memory, const ModelConfig& config, KvType type);

  size_t waiting() const { return n_tokens - position; }

  // Room for `size` tokens; grows by doubling, up to the context and the token that ends it.
  Status ReserveTokens(size_t size);
  // Room for `positions` and a token behind them, here and, from `shared`, in the forward pass. On
  // failure nothing more is held than before, but perhaps a larger table of blocks.
  Status ReserveWhole(size_t positions, Forward& forward, Memory& shared);
  // Adds to a plan what that would take.
  Status PlanWhole(size_t positions, Forward& forward, Memory& plan) const;

  // Keeps the first n_kept tokens and puts these behind them, for which there is room. The last one
  // waits, as ever.
  void Replace(size_t n_kept, const TokenId* added, size_t n_added);
  // What was sampled behind the last token is forgotten: that one waits again.
  void LetLastWait();

  // Makes room for the next `count` of the waiting tokens and fills in their rows.
  Status AddRows(size_t count, ForwardRow* rows);
  // They have gone through the model: fails where the KV cache does not hold what came out.
  Status Advance(size_t count);

  void Swap(Conversation& other);  // both of one model, type and memory

  KvCache kv;
  Array<TokenId> tokens;  // [0, position) are in the KV cache, [position, n_tokens) wait
  size_t n_tokens = 0;    // at most the context and one token that ended it
  size_t position = 0;
  RandomGenerator random;  // of the last query
  uint64_t seed = 0;
  char held[3] = {};  // saved alone: bytes of a character that the last query left unfinished
  size_t n_held = 0;

 private:
  size_t TokensFor(size_t size) const;
  void StartAnewIfNeeded();

  Memory* memory_ = nullptr;
  const ModelConfig* config_ = nullptr;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_CONVERSATION_H_
