// SPDX-License-Identifier: MIT
// What the library needs of a thread library. threads_pthreads.cc and threads_win32.cc implement
// it; threads_none.h is for builds without threads. A port to another thread library is one more
// file.
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
  [[maybe_unused]] NativeMutex native_;
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
  void Wait(Mutex& mutex);  // the caller must hold `mutex`; may return without a reason
  void NotifyAll();
  void Forget();  // for a forked child, in which the threads that waited do not exist

 private:
  [[maybe_unused]] NativeCondition native_;
};

class Thread {
 public:
  // Runs body(argument) on a new thread. False: the system has no thread to give.
  bool Start(void (*body)(void*), void* argument);
  void Join();

 private:
  // The new thread's function.
  static void* Run(void* self) {
    auto* thread = static_cast<Thread*>(self);
    thread->body_(thread->argument_);
    return nullptr;
  }

  [[maybe_unused]] NativeThread native_ = {};
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
};

// A value that identifies the calling thread among those that exist; never nullptr. It uses no
// thread-local storage: in a library that is loaded later this is allocated on the heap, and if
// there is no memory, the C library ends the process.
const void* ThisThread();

// Prevents cancellation of the calling thread. Returns the previous state, for AllowCancelAgain().
int ForbidCancel();
void AllowCancelAgain(int before);

class NoCancel {
 public:
  NoCancel() : before_(ForbidCancel()) {}
  ~NoCancel() { AllowCancelAgain(before_); }
  NoCancel(const NoCancel&) = delete;
  NoCancel& operator=(const NoCancel&) = delete;

 private:
  int before_;
};

// Makes each later fork() of the process call before(), and then in_parent() or in_child(). False:
// there is no memory for this.
bool WatchForks(void (*before)(), void (*in_parent)(), void (*in_child)());

// A number that identifies the process; a forked child has another.
uint64_t ThisProcess();

}  // namespace clamma

#if !LIBCLAMMA_THREADING_PTHREADS && !LIBCLAMMA_THREADING_WIN32
#include "platform/threads_none.h"
#endif

#endif  // CLAMMA_PLATFORM_THREADS_H_
