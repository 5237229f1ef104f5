// SPDX-License-Identifier: MIT
// A bump allocator for parsing a template or rendering it once: it allocates piece by piece and
// frees everything at once. It has a limit, and each failure has a reason.
#ifndef CLAMMA_CHAT_TEMPLATE_BUMP_H_
#define CLAMMA_CHAT_TEMPLATE_BUMP_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

class Bump {
 public:
  // Will allocate at most about `limit` bytes from `memory`, which must outlive it.
  Bump(Memory& memory, size_t limit) : memory_(memory), limit_(limit) {}
  ~Bump() { Reset(); }
  Bump(const Bump&) = delete;
  Bump& operator=(const Bump&) = delete;

  void Reset();

  // Returns zeroed bytes, aligned to 16, or nullptr on failure, with the reason in status(). 0
  // bytes also give a valid pointer.
  void* Allocate(uint64_t bytes);

  // Returns `count` zeroed objects, or nullptr.
  template <typename T>
  T* New(uint64_t count = 1) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 16);
    constexpr size_t kBytes = sizeof(T);  // NOLINT(bugprone-sizeof-expression): T may be a pointer
    if (count > SIZE_MAX / 2 / kBytes) return static_cast<T*>(Refuse());
    return static_cast<T*>(Allocate(count * kBytes));
  }

  const Status& status() const { return status_; }  // of the last failure
  size_t bytes() const { return bytes_; }           // allocated from the memory
  size_t limit() const { return limit_; }

 private:
  struct Chunk {
    Chunk* next;
    size_t bytes;
  };

  void* Refuse();
  bool AddChunk(size_t least);

  Memory& memory_;
  size_t limit_;
  size_t bytes_ = 0;
  Chunk* chunks_ = nullptr;
  char* free_ = nullptr;
  size_t left_ = 0;
  Status status_;
};

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_BUMP_H_
