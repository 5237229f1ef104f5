// SPDX-License-Identifier: MIT
// A build without a heap: all memory comes from arenas.
#include "platform/heap.h"

namespace clamma {

const bool kHasHeap = false;

void* AllocateAligned(size_t /*bytes*/) { return nullptr; }
void FreeAligned(void* /*pointer*/) {}

}  // namespace clamma
