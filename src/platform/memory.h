// SPDX-License-Identifier: MIT
// Checked allocation. All memory of the library comes from the heap or, if the caller provides one,
// from an arena. Every failure is a Status, and a Memory counts what its owner (a transformer, a
// session) holds.
#ifndef CLAMMA_PLATFORM_MEMORY_H_
#define CLAMMA_PLATFORM_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "platform/arena.h"
#include "platform/features.h"
#include "platform/status.h"

namespace clamma {

// Frees memory that is kept only in case it is useful: a little of the arena or, if `arena` is
// nullptr, of the heap. Returns false if there is none.
using ReclaimFunction = bool (*)(Arena* arena);

// An allocation that fails calls this and tries again, as long as it returns true. So nobody may
// allocate while holding a lock that the function takes.
inline constinit std::atomic<ReclaimFunction> reclaim_function{nullptr};

// Allocates zeroed memory, aligned to kAlignment, from the arena, or from the heap if `arena` is
// nullptr. Returns nullptr on failure.
void* AllocateZeroed(Arena* arena, size_t bytes);
void Deallocate(Arena* arena, void* pointer, size_t bytes);

// Counts the bytes that one owner holds. Any thread may read the count.
class Memory {
 public:
  explicit Memory(Arena* arena = nullptr) : arena_(arena) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // A plan allocates nothing, but adds up what an arena would need. Code that runs on a plan must
  // not access the memory it allocates, which has no address.
  struct Plan {};
  explicit Memory(Plan /*tag*/) : is_plan_(true) {}
  bool is_plan() const { return is_plan_; }
  uint64_t planned_bytes() const { return planned_; }
  void PlanFor(uint64_t bytes);  // adds an allocation of `bytes` bytes

  Status Allocate(uint64_t bytes, void** pointer);
  void Free(void* pointer, size_t bytes);
  size_t bytes_in_use() const { return bytes_in_use_.load(std::memory_order_relaxed); }
  Arena* arena() const { return arena_; }

 private:
  Arena* arena_ = nullptr;
  bool is_plan_ = false;
  uint64_t planned_ = 0;
  std::atomic<size_t> bytes_in_use_{0};
};

// The error for an allocation of `bytes` in addition to what an arena holds. It says how large the
// arena would have to be.
Status ArenaIsTooSmall(Arena* arena, uint64_t bytes);

// Implements Array::Resize() for all types. *data are *count elements that belong to *owner.
Status ResizeBlock(Memory& memory, uint64_t size, size_t element_bytes, Memory** owner, void** data,
                   size_t* count);

// A zero-initialised array of trivial elements, which only grows by Resize().
template <typename T>
class Array {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  Array() = default;
  ~Array() { Reset(); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  Array(Array&& other) noexcept { Swap(other); }
  Array& operator=(Array&& other) noexcept {
    Swap(other);
    return *this;
  }

  // Makes room for `size` elements, keeps the first min(old, new) and zeroes the rest. On failure
  // the array does not change. On a plan it gets a size, but no data.
  Status Resize(Memory& memory, uint64_t size);
  void Reset() {
    if (data_ != nullptr) memory_->Free(data_, size_ * kElementBytes);
    data_ = nullptr;
    size_ = 0;
  }
  void Swap(Array& other) {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  size_t size() const { return size_; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  static constexpr size_t kElementBytes = sizeof(T);  // NOLINT: T may be a pointer

  Memory* memory_ = nullptr;
  T* data_ = nullptr;
  size_t size_ = 0;
};

template <typename T>
Status Array<T>::Resize(Memory& memory, uint64_t size) {
  void* data = data_;
  const Status status = ResizeBlock(memory, size, kElementBytes, &memory_, &data, &size_);
  data_ = static_cast<T*>(data);
  return status;
}

// new and delete for the library's few objects. NewObject() returns nullptr if there is no memory.
template <typename T, typename... Args>
T* NewObject(Arena* arena, Args&&... args) {
  static_assert(alignof(T) <= kAlignment);
  void* place = AllocateZeroed(arena, sizeof(T));
  return place == nullptr ? nullptr : new (place) T(std::forward<Args>(args)...);
}

template <typename T>
void DeleteObject(Arena* arena, T* object) {
  if (object == nullptr) return;
  object->~T();
  Deallocate(arena, object, sizeof(T));
}

// Compute a * b and a + b of sizes read from files. Return false if the result exceeds 64 bits.
inline bool CheckedMultiply(uint64_t a, uint64_t b, uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}
inline bool CheckedAdd(uint64_t a, uint64_t b, uint64_t* sum) {
  return !__builtin_add_overflow(a, b, sum);
}

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_MEMORY_H_
