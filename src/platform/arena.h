// SPDX-License-Identifier: MIT
// Memory that a caller gave, handed out and taken back: a list of its free stretches, in order of
// their addresses, kept in the stretches themselves. An allocation costs its size rounded up to
// kAlignment, and nothing beside.
#ifndef CLAMMA_PLATFORM_ARENA_H_
#define CLAMMA_PLATFORM_ARENA_H_

#include <cstddef>
#include <cstdint>

#include "platform/threads.h"

namespace clamma {

// Of every allocation: one cache line, one AVX-512 register.
inline constexpr size_t kAlignment = 64;

// Any thread. It lies at the beginning of the memory that it hands out.
class Arena {
 public:
  // Begins in `size` bytes at `base`, at any alignment; nullptr where they are too few to begin.
  // What stood there is gone. The memory is the caller's again once nothing in it is in use.
  static Arena* Make(void* base, size_t size);

  // What an allocation takes of an arena, UINT64_MAX where that has no number.
  static uint64_t CostOf(uint64_t bytes);
  // Most bytes of an arena, wherever it begins, that are no allocation's.
  static uint64_t Overhead();

  // The first free stretch that is large enough gives its front, aligned to kAlignment and not
  // zeroed; nullptr if there is none, or for no bytes.
  void* Allocate(size_t bytes);
  void Free(void* pointer, size_t bytes);  // as they were allocated

  struct Usage {
    size_t size;    // of the whole, as the caller gave it
    size_t in_use;  // bytes, with the arena's own
    size_t end;     // from the beginning to the end of the last byte in use
    size_t peak;    // the largest that `end` ever was, or what was demanded: would have done, too
  };
  Usage usage();

  // A smaller arena would have been refused, whatever of this one is used.
  void Demand(size_t bytes);

  // Between these no arena changes, but by the calling thread's doing: around a fork(), whose child
  // must not get one that another thread was about to change.
  static void LockAll() { mutex_.Lock(); }
  static void UnlockAll() { mutex_.Unlock(); }

 private:
  struct Stretch {
    Stretch* next;  // at a higher address, and not adjacent
    size_t bytes;   // a multiple of kAlignment
  };

  Arena(uint8_t* base, size_t size, uint8_t* first, size_t bytes);
  size_t End() const;

  // Of all arenas; held for moments.
  static Mutex mutex_;  // NOLINT(readability-identifier-naming): as other members are named
  uint8_t* base_;
  size_t size_;
  uint8_t* limit_;  // behind the last byte that can be handed out
  size_t in_use_;
  size_t peak_;
  Stretch* free_;
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_ARENA_H_
