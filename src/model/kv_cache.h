// SPDX-License-Identifier: MIT
// A session's keys and values. It grows by pages of kKvBlock positions. In layers that attend to a
// window, pages that the window has left are freed. With KvPages (kv_pages.h), pages may belong to
// several sessions; a session makes pages its own before it writes them.
#ifndef CLAMMA_MODEL_KV_CACHE_H_
#define CLAMMA_MODEL_KV_CACHE_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/kernels.h"
#include "kernels/kv_types.h"
#include "model/config.h"
#include "model/kv_pages.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

// A page holds, for each layer of a kind (with a window, or without), the keys (n_kv_heads,
// head_size, kKvBlock) and then the values (n_kv_heads, kKvBlock, head_size), with that layer's
// numbers. Scales, if there are any, follow each head. See AttentionInput and kv_types.h.
class KvCache {
 public:
  KvCache() = default;
  ~KvCache() {
    ShrinkToBlocks(0);
    if constexpr (kHasPrefixCache) SetPages(nullptr);
  }
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // The config must outlive this. Pages belong to this object alone, unless SetPages() follows.
  void Init(Memory& memory, const ModelConfig& config, KvType type);

  // Makes room for `positions` (at most seq_len), of which those from `from` on may be written; at
  // most `from` positions may be stored. On failure the contents stay as they are.
  Status Reserve(size_t positions, [[maybe_unused]] size_t from = 0) {
    if constexpr (kHasPrefixCache) {
      if (shares()) return ReservePages(positions, from);
    }
    return ReserveOwn(positions);
  }
  // Adds what Reserve() would take.
  void PlanReserve(Memory& plan, size_t positions, [[maybe_unused]] size_t from = 0) const {
    if constexpr (kHasPrefixCache) {
      if (shares()) return PlanReservePages(plan, positions, from);
    }
    PlanReserveOwn(plan, positions);
  }

  // The number of pages of each kind. For arenas, where pages of windows are never freed early.
  size_t blocks() const { return std::max(blocks_[0].end, blocks_[kKinds - 1].end); }
  void ShrinkToBlocks(size_t blocks);  // frees the others, and the tables if `blocks` is 0

  // --- Windows ---

  // The first position that layers with a window must hold to compute `position`, and those after
  // it. It is the first of a page.
  static size_t FirstInWindow(const ModelConfig& config, size_t position);
  // Whether layers with a window hold what `position` needs.
  bool Covers(size_t position) const {
    return blocks_[kKinds - 1].begin * kKvBlock <= FirstInWindow(*config_, position);
  }
  // Frees the pages that `position` and those after it do not need, except the last kSpareBlocks: a
  // conversation that is cut back by no more than these need not be recomputed.
  void GiveBackBefore(size_t position);
  // Discards everything in layers with a window. They continue at the first position that
  // `position` needs; unless `position` is 0, nothing may be reserved yet.
  void Restart(size_t position = 0);

  // Stores a position's key and value in a layer, each (kv_dim). The position must be reserved.
  void Store(uint32_t layer, size_t position, const float* key, const float* value);

  // Whether a number stored for a position below `positions` exceeds 65504, and so became infinite
  // in half precision. (Builds without GGUF do not check.)
  bool Overflows(size_t positions) const {
    return overflow_.load(std::memory_order_relaxed) < positions;
  }
  static Status OverflowReason();
  void StoreFrom(size_t position);  // call before positions from there on are stored (again)

  // Copy a position's key and value of a layer out, or in: each is RowBytes(layer) of little-endian
  // numbers, for each head the elements and then the scale, if there is one. The position must be
  // reserved.
  size_t RowBytes(uint32_t layer) const { return RowBytesOf(config_->layer(layer)); }
  size_t MaxRowBytes() const { return RowBytesOf(config_->widest); }  // RowBytes() or more
  void GetRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value) const;
  void SetRows(uint32_t layer, size_t position, uint8_t* key, uint8_t* value);  // only read

  // Whether positions are rotated as in long sequences; see ModelConfig::short_context.
  bool is_long() const { return is_long_; }
  void SetLong(bool is_long) { is_long_ = is_long; }

  void Swap(KvCache& other);  // both must have the same model and type

  // Sets the fields of `input` that locate the keys and values of positions 0 .. n_positions - 1 of
  // a layer.
  void Attend(uint32_t layer, size_t n_positions, AttentionInput* input) const;

  // The bytes of all pages and their tables, except for pages that others have, too.
  size_t bytes_held() const;
  // Those that are allocated from KvPages, not from this object's memory.
  size_t bytes_of_pages() const;
  // Where idle pages are kept, adds a page for each context: the memory that a session allocates
  // behind them may leave a gap of less than a page.
  void PlanGaps(Memory& plan) const;
  // The bytes that KvPages needs for `positions` in addition to BytesFor().
  uint64_t BytesForSharing(size_t positions) const;

  // --- Pages of others: see engine/prefix_cache.h. Only with KvPages, and with the turn ---

  // From now on takes pages from `pages`, which must outlive this; nullptr: no longer. Nothing may
  // be reserved. Does not need the turn.
  void SetPages(KvPages* pages);
  bool shares() const { return kHasPrefixCache && shared_.pages != nullptr; }
  KvPages* pages() const { return shared_.pages; }  // nullptr: there are none
  // Takes the listed pages that hold the first of these tokens (n), in place of its own, if they
  // hold more than *position of them. Sets *position to how many positions it holds then. With
  // `whole_windows`, layers with a window get the pages of all positions.
  Status Attach(const PrefixKeys& keys, const TokenId* tokens, size_t n, bool whole_windows,
                size_t* position);
  // Copies the part of a listed page that goes on from *position with most of these tokens (n).
  Status CopyPart(const PrefixKeys& keys, const TokenId* tokens, size_t n, size_t* position);
  // Enters the pages of the first `position` tokens into the tree. Where it has equal ones, takes
  // those.
  void Enter(const PrefixKeys& keys, const TokenId* tokens, size_t position);
  // Whether the pages of the first `positions` positions, a multiple of kKvBlock, are listed and
  // the same as those of another cache.
  bool SharesFirst(size_t positions, const KvCache& other) const;

  // The bytes of a page in layers with a window, or without. They fit if the weights fit in memory,
  // as dim * dim > kv_dim in each layer. If they do not, the allocation of the first page fails.
  static size_t PageBytes(const ModelConfig& config, KvType type, bool with_window) {
    const uint64_t bytes = BlockBytes(config, with_window, type);
    return bytes > SIZE_MAX ? SIZE_MAX : static_cast<size_t>(bytes);
  }
  // The bytes for `positions`, in whole pages with their tables. With `gives_back`, the most that
  // they take if pages of windows are freed.
  static uint64_t BytesFor(const ModelConfig& config, KvType type, size_t positions,
                           bool gives_back = false);

 private:
  void NoteOverflow(size_t position);
  static constexpr size_t kKinds = kHasGguf ? 2 : 1;  // the last one is for layers with a window
  static constexpr size_t kSpareBlocks = 8;
  static constexpr size_t kBlocksOfAPass = 6;  // pages that a pass may need beyond the window

  // The pages of layers of a kind. Entries [begin, end) of the table are held.
  struct Blocks {
    Array<uint8_t*> table;
    size_t bytes = 0;  // of a page; 0: the model has no such layers
    size_t begin = 0;  // above 0 only for layers with a window
    size_t end = 0;
  };

  Blocks& BlocksOf(uint32_t layer) {
    return blocks_[config_->layer(layer).has_window() ? kKinds - 1 : 0];
  }
  const Blocks& BlocksOf(uint32_t layer) const {
    return blocks_[config_->layer(layer).has_window() ? kKinds - 1 : 0];
  }
  // What is different with KvPages: kv_cache_pages.cc.
  struct Hit {
    size_t pages = 0;
    size_t first_in_window = 0;  // the first page that layers with a window need
  };
  // The table's size doubles as the conversation grows.
  static size_t TableSizeFor(size_t blocks) {
    size_t size = 4;
    while (size < blocks) size *= 2;
    return size;
  }
  Status GrowTable(Blocks& blocks, size_t end);
  Status GrowTables(size_t end);
  Status ReservePages(size_t positions, size_t from);
  Status OwnPage(size_t index, size_t slot, bool copy);
  void SwapPages(KvCache& other);
  size_t BytesOfPageTable() const;
  void PlanReservePages(Memory& plan, size_t positions, size_t from) const;
  void ShrinkPages(size_t end);
  void DropWindowsBefore(size_t end);
  Hit FindHit(const KvPages::Held& held, const PrefixKeys& keys, const TokenId* tokens, size_t n,
              bool whole_windows) const;
  void TakePage(const KvPages::Held& held, size_t index, KvPage* page, bool with_window);
  void EnterFull(const KvPages::Held& held, size_t index, KvPage* parent, const PrefixKey& key,
                 const TokenId* tokens);
  void SetPage(size_t index, KvPage* page, bool with_window);
  bool UsesWindow(size_t index) const;
  KvPage* PageBefore(size_t index) const;

  Status ReserveOwn(size_t positions);
  void PlanReserveOwn(Memory& plan, size_t positions) const;
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
  // Bytes from a page's start to a layer's keys.
  size_t KeyOffset(uint32_t layer) const {
    return 2 * static_cast<size_t>(BytesOf(type_, config_->kv_before(layer))) * kKvBlock;
  }

  Memory* memory_ = nullptr;
  const ModelConfig* config_ = nullptr;
  KvType type_ = KvType::kF32;
  Blocks blocks_[kKinds];
  // The first position with a number that did not fit; SIZE_MAX: none. Several threads store
  // positions at the same time.
  std::atomic<size_t> overflow_{SIZE_MAX};
  bool is_long_ = false;

  // Entries of the tables above point into these.
  struct Shared {
    KvPages* pages = nullptr;
    Array<KvPage*> table;
    size_t end = 0;
  };
  struct NotShared {
    static constexpr KvPages* pages = nullptr;  // NOLINT(readability-identifier-naming): as above
  };
  [[no_unique_address]] std::conditional_t<kHasPrefixCache, Shared, NotShared> shared_;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_KV_CACHE_H_
