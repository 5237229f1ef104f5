// SPDX-License-Identifier: MIT
// A growable list of trivial elements in a Bump.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_VEC_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_VEC_H_

#include <cstddef>
#include <cstring>

#include "chat/template/bump.h"

namespace clamma {

template <typename T>
struct Vec {
  T* items = nullptr;
  size_t size = 0;
  size_t capacity = 0;

  // Returns false if the bump has no memory left.
  [[nodiscard]] bool Add(Bump& bump, const T& item) {
    const T copy = item;  // which may be one of the items
    if (size == capacity && !Reserve(bump, capacity == 0 ? 8 : 2 * capacity)) return false;
    items[size++] = copy;
    return true;
  }
  [[nodiscard]] bool Reserve(Bump& bump, size_t n) {
    T* const larger = bump.New<T>(n);
    if (larger == nullptr) return false;
    constexpr size_t kBytes = sizeof(T);  // NOLINT(bugprone-sizeof-expression): T may be a pointer
    if (size > 0) std::memcpy(static_cast<void*>(larger), items, size * kBytes);
    items = larger;
    capacity = n;
    return true;
  }

  T& operator[](size_t i) { return items[i]; }
  const T& operator[](size_t i) const { return items[i]; }
  T* begin() { return items; }
  T* end() { return items + size; }
  const T* begin() const { return items; }
  const T* end() const { return items + size; }
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_VEC_H_
