// SPDX-License-Identifier: MIT
// The system's heap: heap_libc.cc and heap_win32.cc; heap_none.cc is for builds without one.
#ifndef CLAMMA_PLATFORM_HEAP_H_
#define CLAMMA_PLATFORM_HEAP_H_

#include <cstddef>

namespace clamma {

extern const bool kHasHeap;

// Returns memory aligned to kAlignment, not zeroed, or nullptr. All memory from the system comes
// from here.
void* AllocateAligned(size_t bytes);
void FreeAligned(void* pointer);

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_HEAP_H_
