// SPDX-License-Identifier: MIT
#include "model/kv_cache.h"

#include <algorithm>
#include <utility>

#include "platform/endian.h"

namespace clamma {
namespace {

// Copies a number between this machine's byte order and that of files.
void CopyLittleEndian(uint8_t* to, const uint8_t* from, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) to[i] = from[kBigEndianHost ? bytes - 1 - i : i];
}

// Copies n elements and their scale to a row, or from it; returns the row's end.
uint8_t* CopyHead(const KvPlace& place, size_t n, const KvFormat& format, uint8_t* row,
                  bool to_row) {
  const auto copy = [&](uint8_t* number, size_t bytes) {
    CopyLittleEndian(to_row ? row : number, to_row ? number : row, bytes);
    row += bytes;
  };
  const size_t bytes = format.element_bytes;
  for (size_t i = 0; i < n; ++i) copy(place.elements + i * place.stride * bytes, bytes);
  copy(place.scale, format.scale_bytes);
  return row;
}

}  // namespace

// This fits if the weights fit in memory, as dim * dim > kv_dim in each layer. If it does not, the
// allocation of the first page fails.
size_t KvCache::PageBytes(const ModelConfig& config, KvType type, bool with_window) {
  const uint64_t bytes = BlockBytes(config, with_window, type);
  return bytes > SIZE_MAX ? SIZE_MAX : static_cast<size_t>(bytes);
}

void KvCache::Init(Memory& memory, const ModelConfig& config, KvType type,
                   [[maybe_unused]] KvPages* pages) {
  memory_ = &memory;
  config_ = &config;
  type_ = type;
  if constexpr (kHasPrefixCache) SetPages(pages);
  for (size_t kind = 0; kind < kKinds; ++kind) {
    blocks_[kind].bytes = PageBytes(config, type, kind == 1);
  }
}

// The table's size doubles as the conversation grows.
size_t KvCache::TableSizeFor(size_t blocks) {
  size_t size = 4;
  while (size < blocks) size *= 2;
  return size;
}

void KvCache::Shrink(Blocks& blocks, size_t end) {
  const size_t begin = kHasGguf ? blocks.begin : 0;
  while (blocks.end > std::max(end, begin)) {
    memory_->Free(blocks.table[--blocks.end], blocks.bytes);
  }
  if (kHasGguf && blocks.end > end) blocks.end = end;
  if (end > 0) return;
  if (kHasGguf) blocks.begin = 0;
  blocks.table.Reset();
}

void KvCache::ShrinkToBlocks(size_t blocks) {
  if constexpr (kHasPrefixCache) {
    if (shares()) return ShrinkPages(blocks);
  }
  for (Blocks& of_kind : blocks_) Shrink(of_kind, blocks);
}

Status KvCache::GrowTable(Blocks& blocks, size_t end) {
  if (end <= blocks.table.size()) return Status();
  return blocks.table.Resize(*memory_, TableSizeFor(end));
}

Status KvCache::Grow(Blocks& blocks, size_t end) {
  if (end > blocks.table.size()) {
    CLAMMA_RETURN_IF_ERROR(blocks.table.Resize(*memory_, TableSizeFor(end)));
  }
  while (blocks.end < end) {
    void* block = nullptr;
    CLAMMA_RETURN_IF_ERROR(memory_->Allocate(blocks.bytes, &block));
    blocks.table[blocks.end++] = static_cast<uint8_t*>(block);
  }
  return Status();
}

Status KvCache::Reserve(size_t positions, [[maybe_unused]] size_t from) {
  if constexpr (kHasPrefixCache) {
    if (shares()) return ReservePages(positions, from);
  }
  for (Blocks& of_kind : blocks_) {
    if (kHasGguf && of_kind.bytes == 0) continue;
    CLAMMA_RETURN_IF_ERROR(Grow(of_kind, clamma::BlocksOf(positions)));
  }
  return Status();
}

void KvCache::PlanReserve(Memory& plan, size_t positions, [[maybe_unused]] size_t from) const {
  if constexpr (kHasPrefixCache) {
    if (shares()) return PlanReservePages(plan, positions, from);
  }
  const size_t needed = clamma::BlocksOf(positions);
  for (const Blocks& of_kind : blocks_) {
    if (kHasGguf && of_kind.bytes == 0) continue;
    if (needed > of_kind.table.size()) plan.PlanFor(TableSizeFor(needed) * sizeof(uint8_t*));
    for (size_t n = of_kind.end; n < needed; ++n) plan.PlanFor(of_kind.bytes);
  }
}

size_t KvCache::FirstInWindow(const ModelConfig& config, size_t position) {
  const size_t window = config.widest.family.window;
  if (!config.widest.has_window() || position < window) return 0;
  return (position + 1 - window) / kKvBlock * kKvBlock;
}

void KvCache::GiveBackBefore(size_t position) {
  Blocks& blocks = blocks_[kKinds - 1];
  const size_t first = FirstInWindow(*config_, position) / kKvBlock;
  if constexpr (kHasPrefixCache) {
    if (shares()) return DropWindowsBefore(first - std::min(first, kSpareBlocks));
  }
  for (; blocks.begin + kSpareBlocks < first && blocks.begin < blocks.end; ++blocks.begin) {
    memory_->Free(blocks.table[blocks.begin], blocks.bytes);
    blocks.table[blocks.begin] = nullptr;
  }
}

void KvCache::Restart(size_t position) {
  Blocks& blocks = blocks_[kKinds - 1];
  if (!config_->widest.has_window()) return;
  if constexpr (kHasPrefixCache) {
    if (shares()) DropWindowsBefore(blocks.end);
  }
  if (!shares()) Shrink(blocks, 0);
  blocks.begin = blocks.end = FirstInWindow(*config_, position) / kKvBlock;
}

// Calls body(element, key, value) for each head of a layer: its first element below kv_dim, and the
// places of a position's key and value.
template <typename Body>
void KvCache::ForEachHead(uint32_t layer, size_t position, const Body& body) const {
  const LayerConfig& numbers = config_->layer(layer);
  const size_t head_size = numbers.head_size;
  const size_t bytes = format().element_bytes;
  const size_t head_bytes = HeadBytes(numbers);
  const size_t slot = position % kKvBlock;
  const size_t scale = kKvBlock * head_size * bytes + slot * format().scale_bytes;
  uint8_t* keys = BlocksOf(layer).table[position / kKvBlock] + KeyOffset(layer);
  uint8_t* values = keys + numbers.n_kv_heads * head_bytes;
  for (size_t head = 0; head < numbers.n_kv_heads; ++head) {
    body(head * head_size, KvPlace{keys + slot * bytes, kKvBlock, keys + scale},
         KvPlace{values + slot * head_size * bytes, 1, values + scale});
    keys += head_bytes;
    values += head_bytes;
  }
}

void KvCache::Store(uint32_t layer, size_t position, const float* key, const float* value) {
  const size_t n = config_->layer(layer).head_size;
  const auto store = format().store;
  bool fits = true;
  ForEachHead(layer, position, [&](size_t i, const KvPlace& key_place, const KvPlace& value_place) {
    fits &= store(key_place, key + i, n);
    fits &= store(value_place, value + i, n);
  });
  if constexpr (kHasGguf) {
    if (!fits) NoteOverflow(position);
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

void KvCache::CopyRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value,
                       bool to_rows) const {
  const size_t n = config_->layer(layer).head_size;
  ForEachHead(layer, position, [&](size_t /*i*/, const KvPlace& in_key, const KvPlace& in_value) {
    key = CopyHead(in_key, n, format(), key, to_rows);
    value = CopyHead(in_value, n, format(), value, to_rows);
  });
}

void KvCache::GetRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value) const {
  CopyRows(layer, position, key, value, true);
}

void KvCache::SetRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value) {
  CopyRows(layer, position, key, value, false);
}

void KvCache::Swap(KvCache& other) {
  for (size_t kind = 0; kind < kKinds; ++kind) {
    Blocks& mine = blocks_[kind];
    Blocks& others = other.blocks_[kind];
    mine.table.Swap(others.table);
    std::swap(mine.begin, others.begin);
    std::swap(mine.end, others.end);
  }
  if constexpr (kHasPrefixCache) SwapPages(other);
  other.overflow_.store(overflow_.exchange(other.overflow_.load()));
  std::swap(is_long_, other.is_long_);
}

void KvCache::Attend(uint32_t layer, size_t n_positions, AttentionInput* input) const {
  input->blocks = BlocksOf(layer).table.data();
  const LayerConfig& numbers = config_->layer(layer);
  input->head_bytes = HeadBytes(numbers);
  input->key_offset = KeyOffset(layer);
  input->value_offset = input->key_offset + numbers.n_kv_heads * input->head_bytes;
  input->n_positions = n_positions;
  input->head_size = numbers.head_size;
  input->kv_type = type_;
}

size_t KvCache::bytes_held() const {
  size_t bytes = 0;
  if constexpr (kHasPrefixCache) bytes = bytes_of_pages() + BytesOfPageTable();
  for (const Blocks& of_kind : blocks_) {
    if (!shares()) bytes += (of_kind.end - (kHasGguf ? of_kind.begin : 0)) * of_kind.bytes;
    bytes += of_kind.table.size() * sizeof(uint8_t*);
  }
  return bytes;
}

uint64_t KvCache::BytesFor(const ModelConfig& config, KvType type, size_t positions,
                           bool gives_back) {
  const size_t blocks = clamma::BlocksOf(positions);
  uint64_t bytes = 0;
  for (size_t kind = 0; blocks > 0 && kind < kKinds; ++kind) {
    const uint64_t of_block = BlockBytes(config, kind == 1, type);
    if (of_block == 0) continue;
    size_t held = blocks;
    if (gives_back && kind == 1) {
      const size_t window =
          clamma::BlocksOf(std::min<size_t>(config.widest.family.window, positions));
      held = std::min(blocks, window + kSpareBlocks + kBlocksOfAPass);
    }
    bytes += held * of_block + TableSizeFor(blocks) * sizeof(uint8_t*);
  }
  return bytes;
}

}  // namespace clamma
