// SPDX-License-Identifier: MIT
// A size-limited cache of stretches of a checkpoint ("blocks": one tensor of one layer each).
#ifndef CLAMMA_MODEL_BLOCK_CACHE_H_
#define CLAMMA_MODEL_BLOCK_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "model/byte_source.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

struct BlockCacheStats {
  size_t hits = 0;
  size_t misses = 0;
  size_t evictions = 0;
  size_t bytes = 0;  // held now
  size_t limit = 0;  // most held at a time; 0: none
};

// Used by one thread at a time; stats() by any.
class BlockCache {
 public:
  ~BlockCache();

  // Declares the blocks, at most `capacity` of them, by AddBlock() in order of their offsets. From
  // byte `floats_from` on a block holds floats, which are in this machine's order once loaded.
  Status Init(Memory& memory, size_t limit, size_t capacity);
  void AddBlock(uint64_t offset, uint64_t bytes, uint64_t floats_from);

  // Whether each block fits in the limit; if not, the reason names what would do.
  Status CheckLimit() const;

  // What the blocks that may be held at a time take of an arena.
  uint64_t MostOfArena() const;

  // Pins a declared block, read from `source` if it is not held; the least recently used unpinned
  // ones make room. The bytes stay where they are until as many calls of Unpin().
  Status Pin(const ByteSource& source, uint64_t offset, const uint8_t** data);
  void Unpin(uint64_t offset);

  BlockCacheStats stats() const;

 private:
  struct Block {
    uint64_t offset;
    uint64_t bytes;
    uint64_t floats_from;
    uint8_t* data;      // nullptr: not held
    uint64_t last_use;  // value of clock_
    uint32_t pins;
  };

  Block* Find(uint64_t offset);
  Status Load(const ByteSource& source, Block& block);
  bool EvictOne();

  Memory* memory_ = nullptr;
  Array<Block> blocks_;
  size_t n_blocks_ = 0;
  size_t limit_ = 0;
  uint64_t largest_ = 0;
  uint64_t all_of_arena_ = 0;  // what all blocks would take
  uint64_t clock_ = 0;
  std::atomic<size_t> hits_{0};
  std::atomic<size_t> misses_{0};
  std::atomic<size_t> evictions_{0};
  std::atomic<size_t> bytes_{0};
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_BLOCK_CACHE_H_
