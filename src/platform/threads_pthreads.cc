// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#include "platform/cores.h"
#include "platform/threads.h"

namespace clamma {

void Mutex::Lock() { pthread_mutex_lock(&native_.lock); }
void Mutex::Unlock() { pthread_mutex_unlock(&native_.lock); }
void Condition::Wait(Mutex& mutex) { pthread_cond_wait(&native_.variable, &mutex.native_.lock); }
void Condition::NotifyAll() { pthread_cond_broadcast(&native_.variable); }
void Condition::Forget() { native_ = NativeCondition(); }

bool Thread::Start(void (*body)(void*), void* argument) {
  body_ = body;
  argument_ = argument;
  // Only the host's threads handle its signals.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  const bool masked = pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
  const bool started = pthread_create(&native_, nullptr, &Thread::Run, this) == 0;
  if (masked) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

void Thread::Join() { pthread_join(native_, nullptr); }

// A pthread_t is a number or a pointer, depending on the system.
const void* ThisThread() {
  return reinterpret_cast<const void*>(pthread_self());  // NOLINT(performance-no-int-to-ptr)
}

int ForbidCancel() {
  int before = 0;
#ifdef PTHREAD_CANCEL_DISABLE  // Android has no cancellation
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
#endif
  return before;
}

void AllowCancelAgain([[maybe_unused]] int before) {
#ifdef PTHREAD_CANCEL_DISABLE
  pthread_setcancelstate(before, nullptr);
#endif
}

bool WatchForks(void (*before)(), void (*in_parent)(), void (*in_child)()) {
  return pthread_atfork(before, in_parent, in_child) == 0;
}

uint64_t ThisProcess() { return static_cast<uint64_t>(getpid()); }

Cores FindCores() {
  const auto online = sysconf(_SC_NPROCESSORS_ONLN);
  auto in_mask = online > 0 ? static_cast<unsigned>(online) : 1;
  uint64_t quota_milli = 0;
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) {
    in_mask = static_cast<unsigned>(CPU_COUNT(&set));
  }
  quota_milli = FindQuotaMilli("");
#endif
  return CoresOf(in_mask, quota_milli);
}

}  // namespace clamma
