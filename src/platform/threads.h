// SPDX-License-Identifier: MIT
// What the library needs of a thread library: one file implements it (threads_pthreads.cc,
// threads_win32.cc), another one does without (threads_none.cc). To port to a further one, write
// one more.
#ifndef CLAMMA_PLATFORM_THREADS_H_
#define CLAMMA_PLATFORM_THREADS_H_

#include <cstddef>
#include <cstdint>

#if LIBCLAMMA_THREADING_PTHREADS
#include <pthread.h>
#endif

namespace clamma {

#if LIBCLAMMA_THREADING_PTHREADS
inline constexpr bool kHasThreads = true;
struct NativeMutex {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
};
struct NativeCondition {
  pthread_cond_t variable = PTHREAD_COND_INITIALIZER;
};
using NativeThread = pthread_t;
#elif LIBCLAMMA_THREADING_WIN32
inline constexpr bool kHasThreads = true;
struct NativeMutex {
  void* lock = nullptr;
};
struct NativeCondition {
  void* variable = nullptr;
};
using NativeThread = void*;
#else
inline constexpr bool kHasThreads = false;
struct NativeMutex {};
struct NativeCondition {};
struct NativeThread {};
#endif

class Mutex {
 public:
  constexpr Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void Lock();
  void Unlock();

 private:
  friend class Condition;
  NativeMutex native_;
};

class MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class Condition {
 public:
  constexpr Condition() = default;
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  void Wait(Mutex& mutex);  // the caller holds `mutex`; may wake for no reason
  void NotifyAll();

 private:
  NativeCondition native_;
};

class Thread {
 public:
  // Runs body(argument); false where no thread could be had.
  bool Start(void (*body)(void*), void* argument);
  void Join();

 private:
  // What the new thread calls.
  static void* Run(void* self) {
    auto* thread = static_cast<Thread*>(self);
    thread->body_(thread->argument_);
    return nullptr;
  }

  NativeThread native_ = {};
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
};

// An address that only the calling thread has; equal for two calls on one thread.
const void* ThisThread();

// A number of the running process, which a forked child does not share.
uint64_t ThisProcess();

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_THREADS_H_
