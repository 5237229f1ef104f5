// SPDX-License-Identifier: MIT
// A size-limited cache of parts of a model's files ("blocks": one matrix of one layer each).
#ifndef CLAMMA_MODEL_BLOCK_CACHE_H_
#define CLAMMA_MODEL_BLOCK_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "model/byte_source.h"
#include "model/tensors.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

struct BlockCacheStats {
  size_t hits = 0;
  size_t misses = 0;
  size_t evictions = 0;
  size_t bytes = 0;  // held at the moment
  size_t limit = 0;  // the most bytes held at a time; 0: no limit
};

// One thread at a time may use it; any thread may call stats().
class BlockCache {
 public:
  ~BlockCache();

  // Prepares for blocks with these totals. Each block must fit in the limit; if one does not, the
  // error says which limit would do. A plan adds what the blocks held at a time take of an arena.
  Status Init(Memory& memory, size_t limit, const TensorTotals& blocks);

  // Declares a block. Each must be declared exactly once, then Seal() is called. Not for a plan.
  void AddBlock(const TensorPlace& place);
  void Seal();

  // Pins a declared block, and reads it from `sources` [place.file] if it is not held. The least
  // recently used unpinned blocks make room. Numbers of several bytes are in this machine's byte
  // order. The data stays in place until Unpin() has been called as often as Pin().
  Status Pin(const ByteSource* sources, const TensorPlace& place, const uint8_t** data);
  void Unpin(const TensorPlace& place);

  BlockCacheStats stats() const;

 private:
  struct Block {
    uint64_t offset;
    uint64_t bytes;
    uint8_t* data;      // nullptr: not held
    uint64_t last_use;  // value of clock_
    uint32_t pins;
    uint16_t file;

    static bool Before(const Block& a, const Block& b) { return a.IsBefore(b.file, b.offset); }
    bool IsBefore(uint16_t other_file, uint64_t other_offset) const {
      return file != other_file ? file < other_file : offset < other_offset;
    }
  };

  Block* Find(const TensorPlace& place);
  Status Load(const ByteSource& source, Block& block);
  bool EvictOne();

  Memory* memory_ = nullptr;
  Array<Block> blocks_;  // sorted by file and offset
  size_t n_blocks_ = 0;
  size_t limit_ = 0;
  uint64_t clock_ = 0;
  std::atomic<size_t> hits_{0};
  std::atomic<size_t> misses_{0};
  std::atomic<size_t> evictions_{0};
  std::atomic<size_t> bytes_{0};
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_BLOCK_CACHE_H_
