// SPDX-License-Identifier: MIT
// Makes the library's allocations and starts of threads fail when a test says so. The linker
// replaces the library's calls by the functions below (--wrap, see CMakeLists.txt). Include it in
// one source of a program.
#ifndef CLAMMA_TESTS_SUPPORT_FAULTY_HEAP_H_
#define CLAMMA_TESTS_SUPPORT_FAULTY_HEAP_H_

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <mutex>
#include <unordered_map>

namespace {

// Counts the library's allocations, and makes some of them fail.
class FaultyHeap {
 public:
  void* Allocate(size_t alignment, size_t size);
  void Free(void* pointer);
  [[maybe_unused]] bool StartsThread();  // unused in a build without threads

  // Makes the n-th allocation from now on fail, and if `for_good`, all later ones; 0: none.
  void FailAllocation(size_t n, bool for_good = false) {
    const std::lock_guard<std::mutex> lock(mutex_);
    allocations_ = 0;
    fail_at_ = n;
    for_good_ = for_good;
    failed_ = false;
  }
  void FailThread(size_t n) {
    const std::lock_guard<std::mutex> lock(mutex_);
    threads_ = 0;
    fail_thread_at_ = n;
    failed_ = false;
  }
  bool failed() {  // whether any has failed since then
    const std::lock_guard<std::mutex> lock(mutex_);
    return failed_;
  }
  size_t live_blocks() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return live_.size();
  }
  size_t live_bytes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return live_bytes_;
  }
  size_t peak_bytes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return peak_bytes_;
  }
  void ResetPeak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    peak_bytes_ = live_bytes_;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<void*, size_t> live_;
  size_t live_bytes_ = 0;
  size_t peak_bytes_ = 0;
  size_t allocations_ = 0;
  size_t fail_at_ = 0;
  bool for_good_ = false;
  size_t threads_ = 0;
  size_t fail_thread_at_ = 0;
  bool failed_ = false;
};

// Never destroyed, as blocks are freed until the program ends.
FaultyHeap& Heap() {
  static auto& heap = *new FaultyHeap;
  return heap;
}

}  // namespace

extern "C" {

void* __real_aligned_alloc(size_t alignment, size_t size);
void* __wrap_aligned_alloc(size_t alignment, size_t size) {
  return Heap().Allocate(alignment, size);
}

void __real_free(void* pointer);
void __wrap_free(void* pointer) { Heap().Free(pointer); }

#if LIBCLAMMA_THREADING_PTHREADS
int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                          void* argument);
int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                          void* argument) {
  if (!Heap().StartsThread()) return EAGAIN;
  return __real_pthread_create(thread, attributes, run, argument);
}
#endif

}  // extern "C"

namespace {

void* FaultyHeap::Allocate(size_t alignment, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++allocations_;
  if (fail_at_ != 0 && (for_good_ ? allocations_ >= fail_at_ : allocations_ == fail_at_)) {
    failed_ = true;
    return nullptr;
  }
  // Refuses more than any test needs, so that a damaged file cannot exhaust the machine's memory.
  if (size > size_t{1} << 32) return nullptr;
  void* pointer = __real_aligned_alloc(alignment, size);
  if (pointer == nullptr) return nullptr;
  live_.emplace(pointer, size);
  live_bytes_ += size;
  peak_bytes_ = std::max(peak_bytes_, live_bytes_);
  return pointer;
}

// Also called for blocks of others; counts only its own.
void FaultyHeap::Free(void* pointer) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto found = live_.find(pointer); found != live_.end()) {
      live_bytes_ -= found->second;
      live_.erase(found);
    }
  }
  __real_free(pointer);
}

bool FaultyHeap::StartsThread() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (++threads_ != fail_thread_at_) return true;
  failed_ = true;
  return false;
}

}  // namespace

#endif  // CLAMMA_TESTS_SUPPORT_FAULTY_HEAP_H_
