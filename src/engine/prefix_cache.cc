// SPDX-License-Identifier: MIT
#include "engine/prefix_cache.h"

#include <algorithm>

#include "engine/transformer.h"

namespace clamma {
namespace {

// The fewest common positions for which it pays to wait for another session's pass. BOS and the
// beginning of a chat template alone do not.
constexpr size_t kMinGain = 8;

PrefixKeys KeysOf(const Conversation& c) {
  return {{.salt = c.sharing.salt, .is_long = c.kv.is_long()}, c.sharing.n_open};
}

// Moves on to a position that others have computed.
void GoOnFrom(Conversation& c, size_t position) {
  if (position == c.position) return;
  const size_t gain = position - c.position;
  {
    const KvPages::Held held;
    c.kv.pages()->CountHit(held, c.sharing.cached_tokens == 0, gain);
  }
  c.sharing.cached_tokens += gain;
  c.position = position;
}

}  // namespace

void OpenPages(Transformer& transformer, uint64_t idle_limit) {
  const ModelConfig& config = transformer.config();
  transformer.pages.Init(KvCache::PageBytes(config, transformer.kv_type, false),
                         KvCache::PageBytes(config, transformer.kv_type, true), idle_limit);
}

// In an arena, a sequence that is recomputed with other rotation factors in the middle of a query
// must not need memory for copies of shared pages.
KvPages* SharedPagesOf(Transformer& transformer) {
  const bool may_copy =
      transformer.memory.arena() != nullptr && transformer.config().short_context > 0;
  return may_copy ? nullptr : &transformer.pages;
}

KvPages::Facts PageFacts(Transformer& transformer) { return transformer.pages.facts(); }

void SetSalt(uint64_t salt, const TokenId* open, size_t n, Conversation& c) {
  const TokenId* const end = open + std::min(n, c.n_tokens);
  const auto n_open = static_cast<size_t>(std::mismatch(open, end, c.tokens.data()).first - open);
  if (salt != c.sharing.salt || n_open != c.sharing.n_open) c.sharing.enters = false;
  c.sharing.salt = salt;
  c.sharing.n_open = n_open;
  c.sharing.cached_tokens = 0;
}

void Distrust(Conversation& c) { c.sharing.enters = false; }

void SetKept(size_t n_kept, Conversation& c) { c.sharing.n_kept = n_kept; }

size_t FirstWritten(const Conversation& c) {
  const size_t kept = std::min(c.position, c.sharing.n_kept);
  return kept - std::min<size_t>(kept, 1);
}

Status ReservePages(size_t positions, Conversation& c) {
  const bool had_idle = c.kv.shares() && c.kv.pages()->has_idle();
  const size_t blocks = c.kv.blocks();
  const Status status = c.kv.Reserve(positions, FirstWritten(c));
  if (status.ok() || !had_idle) return status;
  c.kv.ShrinkToBlocks(blocks);
  return c.kv.Reserve(positions, FirstWritten(c));
}

size_t CachedTokens(const Conversation& c) { return c.sharing.cached_tokens; }

Status AttachPages(Conversation& c) {
  if (!c.kv.shares()) return Status();
  c.StartAnewIfNeeded();
  if (c.position == 0) c.sharing.enters = true;
  if (c.waiting() <= 1) return Status();
  const bool whole_windows = c.in_arena();  // where no page of a query may be missing later
  size_t position = c.position;
  CLAMMA_RETURN_IF_ERROR(
      c.kv.Attach(KeysOf(c), c.tokens.data(), c.n_tokens - 1, whole_windows, &position));
  if (position == c.position) return Status();
  c.sharing.enters = true;  // every page is from the tree
  GoOnFrom(c, position);
  return Status();
}

Status CopyPart(Conversation& c) {
  if (!c.kv.shares() || !c.sharing.enters || c.waiting() <= 1) return Status();
  size_t position = c.position;
  CLAMMA_RETURN_IF_ERROR(c.kv.CopyPart(KeysOf(c), c.tokens.data(), c.n_tokens - 1, &position));
  GoOnFrom(c, position);
  return Status();
}

void EnterPages(Conversation& c) {
  if (!c.kv.shares() || !c.sharing.enters) return;
  c.kv.Enter(KeysOf(c), c.tokens.data(), c.position);
}

bool ShouldWaitFor(const Conversation& c, const Conversation& other, size_t rows) {
  if (!c.kv.shares() || !other.kv.shares()) return false;
  if (!c.sharing.enters || !other.sharing.enters || c.waiting() <= 1) return false;
  const size_t page = c.position / kKvBlock;
  if (other.position / kKvBlock != page) return false;
  const PrefixKeys keys = KeysOf(c);
  const PrefixKeys others = KeysOf(other);
  if (keys.At(page) != others.At(page)) return false;
  const size_t begin = page * kKvBlock;
  if (!c.kv.SharesFirst(begin, other.kv)) return false;
  size_t end = std::min(other.position + rows, c.n_tokens - 1);
  if (keys.own != others.own) end = std::min({end, keys.n_open, others.n_open});
  if (end <= begin) return false;
  const TokenId* const first = c.tokens.data() + begin;
  const TokenId* const parted =
      std::mismatch(first, c.tokens.data() + end, other.tokens.data() + begin).first;
  const size_t common = begin + static_cast<size_t>(parted - first);
  return common >= std::max(c.position, other.position) + kMinGain;
}

}  // namespace clamma
