// SPDX-License-Identifier: MIT
#include "engine/conversation.h"

#include <algorithm>
#include <utility>

#include "engine/prefix_cache.h"

namespace clamma {

void Conversation::Init(Memory& memory, const ModelConfig& config, KvType type, KvPages* pages) {
  memory_ = &memory;
  config_ = &config;
  kv.Init(memory, config, type, pages);
}

Status Conversation::ReserveTokens(size_t size) {
  return size <= tokens.size() ? Status() : tokens.Resize(*memory_, TokensFor(size));
}

size_t Conversation::TokensFor(size_t size) const {
  const size_t most = size_t{config_->seq_len} + 1;
  return std::max(size, std::min(most, std::max<size_t>(64, 2 * size)));
}

// The first position that may be written when a query has begun that keeps n_kept tokens, of which
// the last may have to wait again.
size_t Conversation::FirstWritten(size_t n_kept) const {
  const size_t kept = std::min(position, n_kept);
  return kept - std::min<size_t>(kept, 1);
}

// Idle pages between others may leave gaps that are too small. So if the first attempt has evicted
// them, a second one begins with what is then in one piece.
Status Conversation::ReservePages(size_t positions, size_t n_kept) {
  const bool had_idle = kHasPrefixCache && kv.shares() && kv.pages()->has_idle();
  const size_t blocks = kv.blocks();
  const size_t from = FirstWritten(n_kept);
  Status status = kv.Reserve(positions, from);
  if (status.ok() || !had_idle) return status;
  kv.ShrinkToBlocks(blocks);
  return kv.Reserve(positions, from);
}

Status Conversation::ReserveWhole(size_t positions, size_t n_kept, Forward& forward,
                                  Memory& shared) {
  Array<TokenId> larger;
  const bool grows = positions + 1 > tokens.size();
  const size_t blocks = kv.blocks();
  Status status = kHasPrefixCache ? ReservePages(positions, n_kept) : kv.Reserve(positions);
  if (status.ok() && grows) status = larger.Resize(*memory_, TokensFor(positions + 1));
  if (status.ok()) status = forward.ReserveScores(shared, positions);
  if (!status.ok()) {
    kv.ShrinkToBlocks(blocks);
    return status;
  }
  if (grows) {
    std::copy_n(tokens.data(), n_tokens, larger.data());
    tokens.Swap(larger);
  }
  return status;
}

Status Conversation::PlanWhole(size_t positions, size_t n_kept, Forward& forward,
                               Memory& plan) const {
  if (positions + 1 > tokens.size()) plan.PlanFor(TokensFor(positions + 1) * sizeof(TokenId));
  kv.PlanReserve(plan, positions, kHasPrefixCache ? FirstWritten(n_kept) : 0);
  return forward.ReserveScores(plan, positions);
}

void Conversation::Replace(size_t n_kept, const TokenId* added, size_t n_added) {
  std::copy_n(added, n_added, tokens.data() + n_kept);
  n_tokens = n_kept + n_added;
  position = std::min(position, n_kept);
  LetLastWait();
}

void Conversation::LetLastWait() {
  if (n_tokens > 0 && position == n_tokens) --position;
}

// The KV cache cannot be used if the sequence grows beyond the length for which the short rotation
// factors are meant, or shrinks below it
// (transformers does the same: models/phi3/modeling_phi3.py), or if it was cut back to a position
// that layers with a window no longer hold.
void Conversation::StartAnewIfNeeded() {
  const uint32_t short_context = config_->short_context;
  const bool is_long = short_context > 0 && n_tokens > short_context;
  if (is_long == kv.is_long() && kv.Covers(position)) return;
  if (!kv.Covers(0)) kv.Restart();
  kv.SetLong(is_long);
  position = 0;
}

Status Conversation::AddRows(size_t count, ForwardRow* rows) {
  if constexpr (kHasGguf) StartAnewIfNeeded();
  CLAMMA_RETURN_IF_ERROR(kv.Reserve(position + count, position));
  CLAMMA_RETURN_IF_ERROR(ReserveTokens(n_tokens + 1));
  if constexpr (kHasGguf) kv.StoreFrom(position);
  for (size_t i = 0; i < count; ++i) {
    const bool last = position + i + 1 == n_tokens;
    rows[i] = {tokens[position + i], position + i, &kv, nullptr, last};
  }
  return Status();
}

Status Conversation::Advance(size_t count) {
  position += count;
  if constexpr (kHasGguf) {
    if (kv.Overflows(position)) return KvCache::OverflowReason();
    if constexpr (kHasPrefixCache) EnterPages(*this);
    // In an arena a query keeps the pages that it allocated when it began.
    if (!in_arena()) kv.GiveBackBefore(position);
  }
  return Status();
}

void Conversation::Swap(Conversation& other) {
  kv.Swap(other.kv);
  tokens.Swap(other.tokens);
  std::swap(n_tokens, other.n_tokens);
  std::swap(position, other.position);
  std::swap(random, other.random);
  std::swap(seed, other.seed);
  std::swap(held, other.held);
  std::swap(n_held, other.n_held);
  if constexpr (kHasPrefixCache) std::swap(sharing, other.sharing);
}

}  // namespace clamma
