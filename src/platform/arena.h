// SPDX-License-Identifier: MIT
// An allocator in memory that the caller provides. It keeps a list of free ranges, sorted by
// address, in these ranges themselves. An allocation costs its size rounded up to kAlignment, and
// nothing else.
#ifndef CLAMMA_PLATFORM_ARENA_H_
#define CLAMMA_PLATFORM_ARENA_H_

#include <cstddef>
#include <cstdint>

#include "platform/threads.h"

namespace clamma {

// The alignment of every allocation: a cache line, an AVX-512 register.
inline constexpr size_t kAlignment = 64;

// Any thread may use it. The object lies at the beginning of the memory that it manages.
class Arena {
 public:
  // Makes an arena of the `size` bytes at `base`, at any alignment, overwriting them. Returns
  // nullptr if they are too few. The memory belongs to the caller again once nothing in it is in
  // use.
  static Arena* Make(void* base, size_t size);

  // What an allocation takes of an arena; UINT64_MAX on overflow.
  static uint64_t CostOf(uint64_t bytes);
  // The most bytes that an arena needs besides its allocations, whatever its alignment.
  static uint64_t Overhead();

  // Allocates from the first free range that is large enough, aligned to kAlignment and not zeroed.
  // Returns nullptr if there is none, or if `bytes` is 0.
  void* Allocate(size_t bytes);
  void Free(void* pointer, size_t bytes);  // with the size that was allocated

  struct Usage {
    size_t size;    // bytes that the caller provided
    size_t in_use;  // bytes in use, including the arena's own
    size_t end;     // bytes from the beginning to the last byte in use, inclusive
    size_t peak;    // the largest `end` or Demand() so far: an arena of this size would have done
  };
  Usage usage();

  // Records that an arena of fewer bytes would have been refused.
  void Demand(size_t bytes);

  // Between these calls only the calling thread can change arenas. To be used around fork(), so
  // that the child does not get an arena that another thread was changing.
  static void LockAll() { mutex_.Lock(); }
  static void UnlockAll() { mutex_.Unlock(); }

 private:
  struct Stretch {
    Stretch* next;  // the next free range: at a higher address, not adjacent
    size_t bytes;   // a multiple of kAlignment
  };

  Arena(uint8_t* base, size_t size, uint8_t* first, size_t bytes);
  size_t End() const;

  // One for all arenas; held only briefly.
  static Mutex mutex_;  // NOLINT(readability-identifier-naming): as other members are named
  uint8_t* base_;
  size_t size_;
  uint8_t* limit_;  // the end of the memory that can be allocated
  size_t in_use_;
  size_t peak_;
  Stretch* free_;
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_ARENA_H_
