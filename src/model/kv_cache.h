// SPDX-License-Identifier: MIT
// A session's keys and values. Grows by blocks of kKvBlock positions as the conversation does.
#ifndef CLAMMA_MODEL_KV_CACHE_H_
#define CLAMMA_MODEL_KV_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "model/config.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// A block holds, for each layer, keys (n_kv_heads, head_size, kKvBlock) and then values
// (n_kv_heads, kKvBlock, head_size), of that layer's numbers; see AttentionInput.
class KvCache {
 public:
  KvCache() = default;
  ~KvCache() { ShrinkToBlocks(0); }
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // The config must outlive this.
  void Init(Memory& memory, const ModelConfig& config, KvType type);

  // Makes room for `positions` (at most seq_len). On failure what was there stays.
  Status Reserve(size_t positions);
  void PlanReserve(Memory& plan, size_t positions) const;  // adds what that would take

  size_t blocks() const { return n_blocks_; }
  void ShrinkToBlocks(size_t blocks);  // gives back those beyond, and with the last their table

  // Stores one position's key and value of a layer: each (kv_dim). The position must be reserved.
  void Store(uint32_t layer, size_t position, const float* key, const float* value);

  // Whether a number that was stored for a position below this is beyond 65504, and so infinite in
  // half precision. (Builds for the smallest machines do not notice.)
  bool Overflows(size_t positions) const {
    return overflow_.load(std::memory_order_relaxed) < positions;
  }
  static Status OverflowReason();
  void StoreFrom(size_t position);  // before positions from there on are stored (again)

  // One position's key and value of a layer as they are kept, each (kv_dim) little-endian numbers
  // in RowBytes(layer). The position must be reserved.
  size_t RowBytes(uint32_t layer) const { return RowBytesOf(config_->layer(layer)); }
  size_t MaxRowBytes() const { return RowBytesOf(config_->widest); }  // at least that of any layer
  void GetRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value) const;
  void SetRows(uint32_t layer, size_t position, const uint8_t* key, const uint8_t* value);

  // Whether positions are rotated as in long sequences, see ModelConfig::short_context.
  bool is_long() const { return is_long_; }
  void SetLong(bool is_long) { is_long_ = is_long; }

  void Swap(KvCache& other);  // both of one model and type

  // Fills in where the keys and values of positions 0 .. n_positions - 1 of a layer are.
  void Attend(uint32_t layer, size_t n_positions, AttentionInput* input) const;

  // Bytes held: blocks and their table.
  size_t bytes_held() const { return n_blocks_ * block_bytes_ + blocks_.size() * sizeof(uint8_t*); }

  // Bytes for `positions`, in whole blocks with their table.
  static uint64_t BytesFor(const ModelConfig& config, KvType type, size_t positions);

 private:
  void NoteOverflow(size_t position);
  template <typename Body>
  void ForEachElement(uint32_t layer, size_t position, const Body& body) const;
  size_t RowBytesOf(const LayerConfig& layer) const {
    return static_cast<size_t>(layer.kv_dim()) * element_bytes_;
  }
  // From a block's begin to a layer's keys.
  size_t KeyOffset(uint32_t layer) const {
    return 2 * static_cast<size_t>(config_->kv_before(layer)) * kKvBlock * element_bytes_;
  }

  Memory* memory_ = nullptr;
  const ModelConfig* config_ = nullptr;
  size_t element_bytes_ = 4;
  size_t block_bytes_ = 0;
  Array<uint8_t*> blocks_;  // filled up to n_blocks_
  size_t n_blocks_ = 0;
  // The first position of which a number did not fit, SIZE_MAX: none. Positions are stored by
  // several threads at a time.
  std::atomic<size_t> overflow_{SIZE_MAX};
  bool is_long_ = false;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_KV_CACHE_H_
