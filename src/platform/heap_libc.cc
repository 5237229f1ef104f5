// SPDX-License-Identifier: MIT
#include <cstdint>
#include <cstdlib>

#include "platform/arena.h"
#include "platform/heap.h"

namespace clamma {

const bool kHasHeap = true;

void* AllocateAligned(size_t bytes) {
  if (bytes == 0 || bytes > SIZE_MAX - kAlignment) return nullptr;
  // aligned_alloc() requires a multiple of the alignment.
  return std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

void FreeAligned(void* pointer) { std::free(pointer); }

}  // namespace clamma
