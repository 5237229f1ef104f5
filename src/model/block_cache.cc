// SPDX-License-Identifier: MIT
#include "model/block_cache.h"

#include <algorithm>
#include <cassert>

#include "platform/endian.h"

namespace clamma {

BlockCache::~BlockCache() {
  for (size_t i = 0; i < n_blocks_; ++i) {
    memory_->Free(blocks_[i].data, static_cast<size_t>(blocks_[i].bytes));
  }
}

Status BlockCache::Init(Memory& memory, size_t limit, size_t capacity) {
  memory_ = &memory;
  limit_ = limit;
  return blocks_.Resize(memory, capacity);
}

void BlockCache::AddBlock(uint64_t offset, uint64_t bytes, uint64_t floats_from) {
  if (bytes > largest_) largest_ = bytes;
  all_of_arena_ += Arena::CostOf(bytes);
  if (memory_->is_plan()) return;
  blocks_[n_blocks_++] = {offset, bytes, floats_from, nullptr, 0, 0};
}

Status BlockCache::CheckLimit() const {
  if (limit_ == 0 || largest_ <= limit_) return Status();
  return Status::Error(StatusCode::kLimit,
                       "the cache limit of %zu bytes is too small: the largest block of this model "
                       "needs %llu",
                       limit_, static_cast<unsigned long long>(largest_));
}

uint64_t BlockCache::MostOfArena() const {
  return limit_ == 0 ? all_of_arena_ : std::min(Arena::CostOf(limit_), all_of_arena_);
}

BlockCache::Block* BlockCache::Find(uint64_t offset) {
  Block* block = std::lower_bound(blocks_.data(), blocks_.data() + n_blocks_, offset,
                                  [](const Block& b, uint64_t at) { return b.offset < at; });
  assert(block != blocks_.data() + n_blocks_ && block->offset == offset);
  return block;
}

bool BlockCache::EvictOne() {
  Block* oldest = nullptr;
  for (size_t i = 0; i < n_blocks_; ++i) {
    Block& block = blocks_[i];
    if (block.data == nullptr || block.pins != 0) continue;
    if (oldest == nullptr || block.last_use < oldest->last_use) oldest = &block;
  }
  if (oldest == nullptr) return false;
  memory_->Free(oldest->data, static_cast<size_t>(oldest->bytes));
  oldest->data = nullptr;
  bytes_.fetch_sub(static_cast<size_t>(oldest->bytes), std::memory_order_relaxed);
  evictions_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

Status BlockCache::Load(const ByteSource& source, Block& block) {
  const auto bytes = static_cast<size_t>(block.bytes);
  while (limit_ != 0 && bytes_.load(std::memory_order_relaxed) > limit_ - bytes) {
    if (!EvictOne()) {
      return Status::Error(StatusCode::kLimit,
                           "the cache limit of %zu bytes is taken by blocks in use", limit_);
    }
  }
  void* data = nullptr;
  Status status = memory_->Allocate(block.bytes, &data);
  // The machine may have less than the limit allows.
  while (!status.ok() && EvictOne()) status = memory_->Allocate(block.bytes, &data);
  CLAMMA_RETURN_IF_ERROR(status);
  status = source.Read(block.offset, data, bytes);
  if (!status.ok()) {
    memory_->Free(data, bytes);
    return status;
  }
  block.data = static_cast<uint8_t*>(data);
  Le32ToHost(block.data + block.floats_from,
             static_cast<size_t>(block.bytes - block.floats_from) / 4);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return Status();
}

Status BlockCache::Pin(const ByteSource& source, uint64_t offset, const uint8_t** data) {
  Block& block = *Find(offset);
  if (block.data == nullptr) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    CLAMMA_RETURN_IF_ERROR(Load(source, block));
  } else {
    hits_.fetch_add(1, std::memory_order_relaxed);
  }
  block.last_use = ++clock_;
  ++block.pins;
  *data = block.data;
  return Status();
}

void BlockCache::Unpin(uint64_t offset) { --Find(offset)->pins; }

BlockCacheStats BlockCache::stats() const {
  BlockCacheStats stats;
  stats.hits = hits_.load(std::memory_order_relaxed);
  stats.misses = misses_.load(std::memory_order_relaxed);
  stats.evictions = evictions_.load(std::memory_order_relaxed);
  stats.bytes = bytes_.load(std::memory_order_relaxed);
  stats.limit = limit_;
  return stats;
}

}  // namespace clamma
