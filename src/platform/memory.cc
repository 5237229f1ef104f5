// SPDX-License-Identifier: MIT
#include "platform/memory.h"

#include <cstring>

#include "platform/heap.h"

namespace clamma {

namespace {

void* AllocateFrom(Arena* arena, size_t bytes) {
  return arena != nullptr ? arena->Allocate(bytes) : AllocateAligned(bytes);
}

// Frees memory that is only kept in case it is useful, and tries again.
void* ReclaimAndAllocate(Arena* arena, size_t bytes) {
  const ReclaimFunction reclaim = reclaim_function.load();
  if (reclaim == nullptr || bytes == 0) return nullptr;
  if (arena != nullptr && bytes > arena->usage().size) return nullptr;
  void* pointer = nullptr;
  while (pointer == nullptr && reclaim(arena)) pointer = AllocateFrom(arena, bytes);
  return pointer;
}

}  // namespace

void* AllocateZeroed(Arena* arena, size_t bytes) {
  void* pointer = AllocateFrom(arena, bytes);
  if constexpr (kHasPrefixCache || kHasGrammar) {
    if (pointer == nullptr) pointer = ReclaimAndAllocate(arena, bytes);
  }
  if (pointer != nullptr) std::memset(pointer, 0, bytes);
  return pointer;
}

void Deallocate(Arena* arena, void* pointer, size_t bytes) {
  if (arena != nullptr) {
    arena->Free(pointer, bytes);
  } else {
    FreeAligned(pointer);
  }
}

void Memory::PlanFor(uint64_t bytes) {
  if (!CheckedAdd(planned_, Arena::CostOf(bytes), &planned_)) planned_ = UINT64_MAX;
}

Status Memory::Allocate(uint64_t bytes, void** pointer) {
  *pointer = nullptr;
  if (is_plan_) {
    PlanFor(bytes);
    return Status();
  }
  if (bytes <= SIZE_MAX) *pointer = AllocateZeroed(arena_, static_cast<size_t>(bytes));
  if (*pointer == nullptr) {
    return arena_ == nullptr ? Status::OutOfMemory(bytes)
                             : ArenaIsTooSmall(arena_, Arena::CostOf(bytes));
  }
  bytes_in_use_.fetch_add(static_cast<size_t>(bytes), std::memory_order_relaxed);
  return Status();
}

void Memory::Free(void* pointer, size_t bytes) {
  if (pointer == nullptr) return;
  bytes_in_use_.fetch_sub(bytes, std::memory_order_relaxed);
  Deallocate(arena_, pointer, bytes);
}

Status ResizeBlock(Memory& memory, uint64_t size, size_t element_bytes, Memory** owner, void** data,
                   size_t* count) {
  if (size > SIZE_MAX / element_bytes) return Status::OutOfMemory(size);
  const auto new_count = static_cast<size_t>(size);
  void* grown = nullptr;
  if (new_count > 0) {
    CLAMMA_RETURN_IF_ERROR(memory.Allocate(uint64_t{new_count} * element_bytes, &grown));
  }
  if (*data != nullptr) {
    const size_t kept = *count < new_count ? *count : new_count;
    if (grown != nullptr && kept > 0) std::memcpy(grown, *data, kept * element_bytes);
    (*owner)->Free(*data, *count * element_bytes);
  }
  *owner = &memory;
  *data = grown;
  *count = new_count;
  return Status();
}

Status ArenaIsTooSmall(Arena* arena, uint64_t bytes) {
  const Arena::Usage usage = arena->usage();
  uint64_t needed = 0;
  if (!CheckedAdd(usage.end + (kAlignment - 1), bytes, &needed)) needed = UINT64_MAX;
  return Status::ArenaTooSmall(usage.size, needed);
}

}  // namespace clamma
