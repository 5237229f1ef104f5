// SPDX-License-Identifier: MIT
// What the library needs of a thread library: one file implements it (threads_pthreads.cc,
// threads_win32.cc), another one does without (threads_none.h). To port to a further one, write
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
  void Wait(Mutex& mutex);  // the caller holds `mutex`; may wake for no reason
  void NotifyAll();
  void Forget();  // in a forked child: no thread waits, as those of the parent are not here

 private:
  [[maybe_unused]] NativeCondition native_;
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

  [[maybe_unused]] NativeThread native_ = {};
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
};

// A number that no other thread has now, never nullptr; equal for two calls on one thread. It takes
// no thread-local storage: a library that is loaded later would get that from the heap, and a C
// library ends the process where there is no memory left.
const void* ThisThread();

// Keeps the calling thread from being cancelled; returns what it was like before, for
// AllowCancelAgain().
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

// From now on, each fork() of the process calls before(), and then in_parent() or in_child(). False
// where there is no memory for that.
bool WatchForks(void (*before)(), void (*in_parent)(), void (*in_child)());

// A number of the running process, which a forked child does not share.
uint64_t ThisProcess();

}  // namespace clamma

#if !LIBCLAMMA_THREADING_PTHREADS && !LIBCLAMMA_THREADING_WIN32
#include "platform/threads_none.h"
#endif

#endif  // CLAMMA_PLATFORM_THREADS_H_
