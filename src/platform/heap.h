// SPDX-License-Identifier: MIT
// The system's heap, where there is one: heap_libc.cc and heap_win32.cc have it of their system,
// heap_none.cc does without.
#ifndef CLAMMA_PLATFORM_HEAP_H_
#define CLAMMA_PLATFORM_HEAP_H_

#include <cstddef>

namespace clamma {

extern const bool kHasHeap;

// Returns memory aligned to kAlignment, not zeroed, or nullptr. The only place that asks the
// system.
void* AllocateAligned(size_t bytes);
void FreeAligned(void* pointer);

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_HEAP_H_
