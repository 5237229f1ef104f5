// SPDX-License-Identifier: MIT
// A build without threads: only one thread uses the library, so locks do nothing. Only threads.h
// includes this.
#ifndef CLAMMA_PLATFORM_THREADS_NONE_H_
#define CLAMMA_PLATFORM_THREADS_NONE_H_

#include "platform/threads.h"

namespace clamma {

inline void Mutex::Lock() {}
inline void Mutex::Unlock() {}
inline void Condition::Wait(Mutex& /*mutex*/) {}
inline void Condition::NotifyAll() {}
inline void Condition::Forget() {}
inline bool Thread::Start(void (* /*body*/)(void*), void* /*argument*/) { return false; }
inline void Thread::Join() {}

inline constexpr char kOnlyThread = 0;
inline const void* ThisThread() { return &kOnlyThread; }

inline int ForbidCancel() { return 0; }
inline void AllowCancelAgain(int /*before*/) {}

// If the process forks, then this thread does, and everything is in a consistent state.
inline bool WatchForks(void (* /*before*/)(), void (* /*in_parent*/)(), void (* /*in_child*/)()) {
  return true;
}

inline uint64_t ThisProcess() { return 0; }

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_THREADS_NONE_H_
