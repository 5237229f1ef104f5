// SPDX-License-Identifier: MIT
#include "platform/memory.h"

#include <cstdlib>
#include <cstring>

namespace clamma {

void* AllocateAligned(size_t bytes) {
  if (bytes == 0 || bytes > SIZE_MAX - kAlignment) return nullptr;
  // aligned_alloc wants a multiple of the alignment.
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* pointer = std::aligned_alloc(kAlignment, rounded);
  if (pointer != nullptr) std::memset(pointer, 0, rounded);
  return pointer;
}

void FreeAligned(void* pointer) { std::free(pointer); }

Status Memory::Allocate(uint64_t bytes, void** pointer) {
  *pointer = bytes > SIZE_MAX ? nullptr : AllocateAligned(static_cast<size_t>(bytes));
  if (*pointer == nullptr) return Status::OutOfMemory(bytes);
  bytes_in_use_.fetch_add(static_cast<size_t>(bytes), std::memory_order_relaxed);
  return Status();
}

void Memory::Free(void* pointer, size_t bytes) {
  if (pointer == nullptr) return;
  bytes_in_use_.fetch_sub(bytes, std::memory_order_relaxed);
  FreeAligned(pointer);
}

}  // namespace clamma
