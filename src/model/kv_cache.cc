// SPDX-License-Identifier: MIT
#include "model/kv_cache.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/half.h"
#include "platform/endian.h"

namespace clamma {
namespace {

size_t ElementBytes(KvType type) { return type == KvType::kF16 ? 2 : 4; }

uint64_t BlockBytes(const ModelConfig& config, KvType type) {
  return 2 * config.kv_before(config.n_layers) * kKvBlock * ElementBytes(type);
}

// The table doubles as the conversation grows.
size_t TableSizeFor(size_t blocks) {
  size_t size = 4;
  while (size < blocks) size *= 2;
  return size;
}

bool IsInfinite(uint16_t half) { return (half & 0x7fff) == 0x7c00; }

// Copies a number between this machine's byte order and that of files.
void CopyLittleEndian(uint8_t* to, const uint8_t* from, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) to[i] = from[kBigEndianHost ? bytes - 1 - i : i];
}

}  // namespace

void KvCache::Init(Memory& memory, const ModelConfig& config, KvType type) {
  memory_ = &memory;
  config_ = &config;
  element_bytes_ = ElementBytes(type);
  // Fits: a model whose weights fit in memory has dim * dim > kv_dim for each layer... and where it
  // does not, the allocation of the first block fails.
  const uint64_t bytes = BlockBytes(config, type);
  block_bytes_ = bytes > SIZE_MAX ? SIZE_MAX : static_cast<size_t>(bytes);
}

void KvCache::ShrinkToBlocks(size_t blocks) {
  while (n_blocks_ > blocks) memory_->Free(blocks_[--n_blocks_], block_bytes_);
  if (blocks == 0) blocks_.Reset();
}

Status KvCache::Reserve(size_t positions) {
  const size_t needed = BlocksOf(positions);
  if (needed > blocks_.size()) {
    CLAMMA_RETURN_IF_ERROR(blocks_.Resize(*memory_, TableSizeFor(needed)));
  }
  while (n_blocks_ < needed) {
    void* block = nullptr;
    CLAMMA_RETURN_IF_ERROR(memory_->Allocate(block_bytes_, &block));
    blocks_[n_blocks_++] = static_cast<uint8_t*>(block);
  }
  return Status();
}

void KvCache::PlanReserve(Memory& plan, size_t positions) const {
  const size_t needed = BlocksOf(positions);
  if (needed > blocks_.size()) plan.PlanFor(TableSizeFor(needed) * sizeof(uint8_t*));
  for (size_t n = n_blocks_; n < needed; ++n) plan.PlanFor(block_bytes_);
}

// Calls body(i, key, value) for each i below kv_dim with the places of element i of a position's
// key and value in a layer.
template <typename Body>
void KvCache::ForEachElement(uint32_t layer, size_t position, const Body& body) const {
  const LayerConfig& numbers = config_->layer(layer);
  const size_t n_kv_heads = numbers.n_kv_heads;
  const size_t head_size = numbers.head_size;
  const size_t element_bytes = element_bytes_;
  const size_t head_bytes = kKvBlock * head_size * element_bytes;
  const size_t slot = position % kKvBlock;
  uint8_t* keys = blocks_[position / kKvBlock] + KeyOffset(layer);
  uint8_t* values = keys + n_kv_heads * head_bytes;
  for (size_t head = 0; head < n_kv_heads; ++head) {
    for (size_t d = 0; d < head_size; ++d) {
      body(head * head_size + d, keys + (d * kKvBlock + slot) * element_bytes,
           values + (slot * head_size + d) * element_bytes);
    }
    keys += head_bytes;
    values += head_bytes;
  }
}

void KvCache::Store(uint32_t layer, size_t position, const float* key, const float* value) {
  const auto store = [&](auto bits_of) {
    ForEachElement(layer, position, [&](size_t i, uint8_t* key_slot, uint8_t* value_slot) {
      const auto key_bits = bits_of(key[i]);
      const auto value_bits = bits_of(value[i]);
      std::memcpy(key_slot, &key_bits, sizeof(key_bits));
      std::memcpy(value_slot, &value_bits, sizeof(value_bits));
    });
  };
  if (element_bytes_ == 4) {
    store([](float element) { return element; });
  } else {
    bool fits = true;
    store([&](float element) {
      const uint16_t half = FloatToHalf(element);
      if constexpr (kHasGguf) fits &= !IsInfinite(half) || std::isinf(element);
      return half;
    });
    if constexpr (kHasGguf) {
      if (!fits) NoteOverflow(position);
    }
  }
}

void KvCache::StoreFrom(size_t position) {
  if (overflow_.load(std::memory_order_relaxed) >= position) overflow_.store(SIZE_MAX);
}

void KvCache::NoteOverflow(size_t position) {
  size_t first = overflow_.load(std::memory_order_relaxed);
  while (position < first && !overflow_.compare_exchange_weak(first, position)) continue;
}

Status KvCache::OverflowReason() {
  return Status::Error(StatusCode::kLimit,
                       "the model has keys or values beyond 65504, which half precision does not "
                       "hold: use kv_type CLAMMA_KV_F32 (--kv f32)");
}

void KvCache::GetRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value) const {
  ForEachElement(layer, position,
                 [&](size_t i, const uint8_t* key_slot, const uint8_t* value_slot) {
                   CopyLittleEndian(key + i * element_bytes_, key_slot, element_bytes_);
                   CopyLittleEndian(value + i * element_bytes_, value_slot, element_bytes_);
                 });
}

void KvCache::SetRows(uint32_t layer, size_t position, const uint8_t* key, const uint8_t* value) {
  ForEachElement(layer, position, [&](size_t i, uint8_t* key_slot, uint8_t* value_slot) {
    CopyLittleEndian(key_slot, key + i * element_bytes_, element_bytes_);
    CopyLittleEndian(value_slot, value + i * element_bytes_, element_bytes_);
  });
}

void KvCache::Swap(KvCache& other) {
  blocks_.Swap(other.blocks_);
  std::swap(n_blocks_, other.n_blocks_);
  other.overflow_.store(overflow_.exchange(other.overflow_.load()));
  std::swap(is_long_, other.is_long_);
}

void KvCache::Attend(uint32_t layer, size_t n_positions, AttentionInput* input) const {
  input->blocks = blocks_.data();
  const LayerConfig& numbers = config_->layer(layer);
  input->head_bytes = kKvBlock * size_t{numbers.head_size} * element_bytes_;
  input->key_offset = KeyOffset(layer);
  input->value_offset = input->key_offset + numbers.n_kv_heads * input->head_bytes;
  input->n_positions = n_positions;
  input->head_size = numbers.head_size;
  input->kv_type = element_bytes_ == 2 ? KvType::kF16 : KvType::kF32;
}

uint64_t KvCache::BytesFor(const ModelConfig& config, KvType type, size_t positions) {
  const size_t blocks = BlocksOf(positions);
  if (blocks == 0) return 0;
  return blocks * BlockBytes(config, type) + TableSizeFor(blocks) * sizeof(uint8_t*);
}

}  // namespace clamma
