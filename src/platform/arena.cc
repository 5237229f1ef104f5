// SPDX-License-Identifier: MIT
#include "platform/arena.h"

#include <new>

namespace clamma {
namespace {

// The bytes of the arena object itself, rounded up so that the memory after it is aligned.
constexpr size_t kOwnBytes = (sizeof(Arena) + kAlignment - 1) / kAlignment * kAlignment;

}  // namespace

constinit Mutex Arena::mutex_;

Arena::Arena(uint8_t* base, size_t size, uint8_t* first, size_t bytes)
    : base_(base),
      size_(size),
      limit_(first + bytes),
      in_use_(static_cast<size_t>(first - base)),
      peak_(in_use_),
      free_(bytes == 0 ? nullptr : new (first) Stretch{nullptr, bytes}) {
  static_assert(sizeof(Stretch) <= kAlignment);  // every free range has room for one
  static_assert(alignof(Arena) <= kAlignment);
}

Arena* Arena::Make(void* base, size_t size) {
  const size_t skipped = (kAlignment - reinterpret_cast<uintptr_t>(base) % kAlignment) % kAlignment;
  if (size < skipped + kOwnBytes) return nullptr;
  auto* const begin = static_cast<uint8_t*>(base);
  uint8_t* const own = begin + skipped;
  const size_t bytes = (size - skipped - kOwnBytes) / kAlignment * kAlignment;
  return new (own) Arena(begin, size, own + kOwnBytes, bytes);
}

uint64_t Arena::CostOf(uint64_t bytes) {
  if (bytes > UINT64_MAX - kAlignment) return UINT64_MAX;
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

uint64_t Arena::Overhead() { return kAlignment - 1 + kOwnBytes; }

void* Arena::Allocate(size_t bytes) {
  const uint64_t cost = CostOf(bytes);
  if (bytes == 0 || cost > size_) return nullptr;
  const auto taken = static_cast<size_t>(cost);
  MutexLock lock(mutex_);
  Stretch** link = &free_;
  while (*link != nullptr && (*link)->bytes < taken) link = &(*link)->next;
  Stretch* const found = *link;
  if (found == nullptr) return nullptr;
  auto* const place = reinterpret_cast<uint8_t*>(found);
  const Stretch whole = *found;
  *link = whole.bytes == taken ? whole.next
                               : new (place + taken) Stretch{whole.next, whole.bytes - taken};
  in_use_ += taken;
  const size_t end = End();
  if (end > peak_) peak_ = end;
  return place;
}

void Arena::Free(void* pointer, size_t bytes) {
  if (pointer == nullptr) return;
  const auto given = static_cast<size_t>(CostOf(bytes));
  auto* const place = static_cast<uint8_t*>(pointer);
  MutexLock lock(mutex_);
  in_use_ -= given;
  Stretch* before = nullptr;
  Stretch* behind = free_;
  while (behind != nullptr && reinterpret_cast<uint8_t*>(behind) < place) {
    before = behind;
    behind = behind->next;
  }
  auto* freed = new (place) Stretch{behind, given};
  if (behind != nullptr && place + given == reinterpret_cast<uint8_t*>(behind)) {
    freed->bytes += behind->bytes;
    freed->next = behind->next;
  }
  if (before == nullptr) {
    free_ = freed;
  } else if (reinterpret_cast<uint8_t*>(before) + before->bytes == place) {
    before->bytes += freed->bytes;
    before->next = freed->next;
  } else {
    before->next = freed;
  }
}

// If the last free range reaches the limit, everything in use lies before it.
size_t Arena::End() const {
  const uint8_t* end = limit_;
  for (const Stretch* s = free_; s != nullptr; s = s->next) {
    const auto* place = reinterpret_cast<const uint8_t*>(s);
    if (s->next == nullptr && place + s->bytes == limit_) end = place;
  }
  return static_cast<size_t>(end - base_);
}

void Arena::Demand(size_t bytes) {
  MutexLock lock(mutex_);
  if (bytes > peak_) peak_ = bytes;
}

Arena::Usage Arena::usage() {
  MutexLock lock(mutex_);
  return {size_, in_use_, End(), peak_};
}

}  // namespace clamma
