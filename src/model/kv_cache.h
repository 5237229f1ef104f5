// SPDX-License-Identifier: MIT
// A session's keys and values. Grows by blocks of kKvBlock positions as the conversation does;
// those of layers that attend to a window are given back once it has left them behind.
#ifndef CLAMMA_MODEL_KV_CACHE_H_
#define CLAMMA_MODEL_KV_CACHE_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "kernels/kv_types.h"
#include "model/config.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// A block holds, for each layer of a kind (with a window, or without), keys (n_kv_heads, head_size,
// kKvBlock) and then values (n_kv_heads, kKvBlock, head_size), of that layer's numbers, behind each
// head's its scales; see AttentionInput and kv_types.h.
class KvCache {
 public:
  KvCache() = default;
  ~KvCache() {
    for (Blocks& blocks : blocks_) Shrink(blocks, 0);
  }
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // The config must outlive this.
  void Init(Memory& memory, const ModelConfig& config, KvType type);

  // Makes room for `positions` (at most seq_len). On failure what was there stays.
  Status Reserve(size_t positions);
  void PlanReserve(Memory& plan, size_t positions) const;  // adds what that would take

  // Of an arena, where none is given back before: as many of either kind.
  size_t blocks() const { return std::max(blocks_[0].end, blocks_[kKinds - 1].end); }
  void ShrinkToBlocks(size_t blocks);  // gives back those beyond, and with the last their table

  // --- Windows ---

  // The first position of which layers with a window must hold anything for `position`, the next
  // one to be computed, and those after it: the first of a block.
  static size_t FirstInWindow(const ModelConfig& config, size_t position);
  // Whether they hold what `position` needs.
  bool Covers(size_t position) const {
    return blocks_[kKinds - 1].begin * kKvBlock <= FirstInWindow(*config_, position);
  }
  // Gives back what `position` and those after it do not need, but for kSpareBlocks: a conversation
  // that is cut by so much goes on without being computed anew.
  void GiveBackBefore(size_t position);
  // Forgets all that layers with a window hold: what follows begins at position 0 or, if nothing
  // was reserved yet, holds only what `position` needs.
  void Restart(size_t position = 0);

  // Stores one position's key and value of a layer: each (kv_dim). The position must be reserved.
  void Store(uint32_t layer, size_t position, const float* key, const float* value);

  // Whether a number that was stored for a position below this is beyond 65504, and so infinite in
  // half precision. (Builds for the smallest machines do not notice.)
  bool Overflows(size_t positions) const {
    return overflow_.load(std::memory_order_relaxed) < positions;
  }
  static Status OverflowReason();
  void StoreFrom(size_t position);  // before positions from there on are stored (again)

  // One position's key and value of a layer as they are kept, each in RowBytes(layer):
  // little-endian numbers, of each head the elements and then the scale, if there is one. The
  // position must be reserved.
  size_t RowBytes(uint32_t layer) const { return RowBytesOf(config_->layer(layer)); }
  size_t MaxRowBytes() const { return RowBytesOf(config_->widest); }  // at least that of any layer
  void GetRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value) const;
  void SetRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value);  // only read

  // Whether positions are rotated as in long sequences, see ModelConfig::short_context.
  bool is_long() const { return is_long_; }
  void SetLong(bool is_long) { is_long_ = is_long; }

  void Swap(KvCache& other);  // both of one model and type

  // Fills in where the keys and values of positions 0 .. n_positions - 1 of a layer are.
  void Attend(uint32_t layer, size_t n_positions, AttentionInput* input) const;

  // Bytes held: blocks and their tables.
  size_t bytes_held() const;

  // Bytes for `positions`, in whole blocks with their tables; with `gives_back` what they take at
  // most where those of windows are given back.
  static uint64_t BytesFor(const ModelConfig& config, KvType type, size_t positions,
                           bool gives_back = false);

 private:
  void NoteOverflow(size_t position);
  static constexpr size_t kKinds = kHasGguf ? 2 : 1;  // the last: of layers with a window
  static constexpr size_t kSpareBlocks = 8;
  static constexpr size_t kBlocksOfAPass = 6;  // that a pass may need beyond the window

  // The blocks of layers of a kind: [begin, end) of the table are held.
  struct Blocks {
    Array<uint8_t*> table;
    size_t bytes = 0;  // of a block; 0: the model has no such layers
    size_t begin = 0;  // above 0 only where there are windows
    size_t end = 0;
  };

  Blocks& BlocksOf(uint32_t layer) {
    return blocks_[config_->layer(layer).has_window() ? kKinds - 1 : 0];
  }
  const Blocks& BlocksOf(uint32_t layer) const {
    return blocks_[config_->layer(layer).has_window() ? kKinds - 1 : 0];
  }
  Status Grow(Blocks& blocks, size_t end);
  void Shrink(Blocks& blocks, size_t end);
  template <typename Body>
  void ForEachHead(uint32_t layer, size_t position, const Body& body) const;
  void CopyRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value, bool to_rows) const;
  const KvFormat& format() const { return kKvFormats[type_]; }
  // Of a position.
  static uint64_t BytesOf(KvType type, const KvCount& count) {
    const KvFormat& format = kKvFormats[type];
    return count.elements * format.element_bytes +
           (kHasGguf ? count.heads * format.scale_bytes : 0);
  }
  static uint64_t BlockBytes(const ModelConfig& config, bool with_window, KvType type) {
    return 2 * BytesOf(type, config.kv_count(config.n_layers, with_window)) * kKvBlock;
  }
  size_t RowBytesOf(const LayerConfig& layer) const {
    return static_cast<size_t>(BytesOf(type_, layer.kv_count()));
  }
  size_t HeadBytes(const LayerConfig& layer) const {  // of a block
    return static_cast<size_t>(BytesOf(type_, {layer.head_size, 1})) * kKvBlock;
  }
  // From a block's begin to a layer's keys.
  size_t KeyOffset(uint32_t layer) const {
    return 2 * static_cast<size_t>(BytesOf(type_, config_->kv_before(layer))) * kKvBlock;
  }

  Memory* memory_ = nullptr;
  const ModelConfig* config_ = nullptr;
  KvType type_ = KvType::kF32;
  Blocks blocks_[kKinds];
  // The first position of which a number did not fit, SIZE_MAX: none. Positions are stored by
  // several threads at a time.
  std::atomic<size_t> overflow_{SIZE_MAX};
  bool is_long_ = false;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_KV_CACHE_H_
