// SPDX-License-Identifier: MIT
#include "platform/sort.h"

#include <cstdint>
#include <utility>

namespace clamma {
namespace {

struct Heap {
  uint8_t* items;
  size_t item_bytes;
  bool (*before)(const void* a, const void* b);

  uint8_t* at(size_t i) const { return items + i * item_bytes; }

  void Swap(size_t i, size_t j) const {
    for (size_t k = 0; k < item_bytes; ++k) std::swap(at(i)[k], at(j)[k]);
  }

  // Moves item i down until neither of its children among the n items belongs after it.
  void SiftDown(size_t i, size_t n) const {
    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
      if (child + 1 < n && before(at(child), at(child + 1))) ++child;
      if (!before(at(i), at(child))) return;
      Swap(i, child);
      i = child;
    }
  }
};

}  // namespace

void SortBytes(void* items, size_t n, size_t item_bytes,
               bool (*before)(const void* a, const void* b)) {
  const Heap heap = {static_cast<uint8_t*>(items), item_bytes, before};
  for (size_t i = n / 2; i > 0; --i) heap.SiftDown(i - 1, n);
  for (size_t end = n; end > 1; --end) {
    heap.Swap(0, end - 1);
    heap.SiftDown(0, end - 1);
  }
}

}  // namespace clamma
