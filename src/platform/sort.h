// SPDX-License-Identifier: MIT
// Heapsort: in place, O(n log n) in the worst case, with one copy of the code for all types.
#ifndef CLAMMA_PLATFORM_SORT_H_
#define CLAMMA_PLATFORM_SORT_H_

#include <cstddef>
#include <type_traits>

namespace clamma {

void SortBytes(void* items, size_t n, size_t item_bytes,
               bool (*before)(const void* a, const void* b));

// Sorts the items; the order of equal ones is unspecified. kBefore(a, b): whether a comes before b.
template <typename T, bool (*kBefore)(const T& a, const T& b)>
void Sort(T* items, size_t n) {
  static_assert(std::is_trivially_copyable_v<T>);
  SortBytes(items, n, sizeof(T), [](const void* a, const void* b) {
    return kBefore(*static_cast<const T*>(a), *static_cast<const T*>(b));
  });
}

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_SORT_H_
