// SPDX-License-Identifier: MIT
#include <malloc.h>

#include <cstdint>

#include "platform/arena.h"
#include "platform/heap.h"

namespace clamma {

const bool kHasHeap = true;

void* AllocateAligned(size_t bytes) {
  if (bytes == 0 || bytes > SIZE_MAX - kAlignment) return nullptr;
  return _aligned_malloc(bytes, kAlignment);
}

void FreeAligned(void* pointer) { _aligned_free(pointer); }

}  // namespace clamma
