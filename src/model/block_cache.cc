// SPDX-License-Identifier: MIT
#include "model/block_cache.h"

#include <algorithm>
#include <cassert>

#include "platform/endian.h"
#include "platform/sort.h"

namespace clamma {
namespace {

// Converts data as read from the file to this machine's byte order. Blocks of quantised weights
// stay as they are: on big-endian machines, kernels read them byte by byte.
void ToHostOrder(uint8_t* data, const TensorPlace& place) {
  const auto bytes = static_cast<size_t>(place.bytes);
  switch (place.type) {
    case WeightType::kF32:
      Le32ToHost(data, bytes / 4);
      return;
    case WeightType::kF16:
    case WeightType::kBF16:
      Le16ToHost(data, bytes / 2);
      return;
    case WeightType::kInt8Groups: {
      const auto elements = static_cast<size_t>(place.elements());
      Le32ToHost(data + elements, (bytes - elements) / 4);
      return;
    }
    default:
      return;
  }
}

}  // namespace

BlockCache::~BlockCache() {
  for (size_t i = 0; i < n_blocks_; ++i) {
    memory_->Free(blocks_[i].data, static_cast<size_t>(blocks_[i].bytes));
  }
}

Status BlockCache::Init(Memory& memory, size_t limit, const TensorTotals& blocks) {
  memory_ = &memory;
  limit_ = limit;
  CLAMMA_RETURN_IF_ERROR(blocks_.Resize(memory, blocks.count));
  if (memory.is_plan()) {
    memory.PlanFor(limit == 0 ? blocks.arena_bytes
                              : std::min(Arena::CostOf(limit), blocks.arena_bytes));
  }
  if (limit == 0 || blocks.largest <= limit) return Status();
  return Status::Error(StatusCode::kLimit,
                       "the cache limit of %zu bytes is too small: the largest block of this model "
                       "needs %llu",
                       limit, static_cast<unsigned long long>(blocks.largest));
}

void BlockCache::AddBlock(const TensorPlace& place) {
  assert(n_blocks_ < blocks_.size());
  Block& block = blocks_[n_blocks_++];
  block.file = place.file;
  block.offset = place.offset;
  block.bytes = place.bytes;
}

void BlockCache::Seal() { Sort<Block, Block::Before>(blocks_.data(), n_blocks_); }

BlockCache::Block* BlockCache::Find(const TensorPlace& place) {
  Block* end = blocks_.data() + n_blocks_;
  Block* block = std::lower_bound(
      blocks_.data(), end, place,
      [](const Block& b, const TensorPlace& at) { return b.IsBefore(at.file, at.offset); });
  assert(block != end && block->file == place.file && block->offset == place.offset);
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
  // The machine may have less memory than the limit allows.
  while (!status.ok() && EvictOne()) status = memory_->Allocate(block.bytes, &data);
  CLAMMA_RETURN_IF_ERROR(status);
  status = source.Read(block.offset, data, bytes);
  if (!status.ok()) {
    memory_->Free(data, bytes);
    return status;
  }
  block.data = static_cast<uint8_t*>(data);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return Status();
}

Status BlockCache::Pin(const ByteSource* sources, const TensorPlace& place, const uint8_t** data) {
  Block& block = *Find(place);
  if (block.data == nullptr) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    CLAMMA_RETURN_IF_ERROR(Load(sources[block.file], block));
    ToHostOrder(block.data, place);
  } else {
    hits_.fetch_add(1, std::memory_order_relaxed);
  }
  block.last_use = ++clock_;
  ++block.pins;
  *data = block.data;
  return Status();
}

void BlockCache::Unpin(const TensorPlace& place) { --Find(place)->pins; }

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
