// SPDX-License-Identifier: MIT
// A build without threads: one thread owns the library, so every lock is free.
#include "platform/cores.h"
#include "platform/threads.h"

namespace clamma {

void Mutex::Lock() {}
void Mutex::Unlock() {}
void Condition::Wait(Mutex& /*mutex*/) {}
void Condition::NotifyAll() {}
void Condition::Forget() {}
bool Thread::Start(void (* /*body*/)(void*), void* /*argument*/) { return false; }
void Thread::Join() {}

const void* ThisThread() {
  static const char only = 0;
  return &only;
}

int ForbidCancel() { return 0; }
void AllowCancelAgain(int /*before*/) {}

// The one thread forks, if any does, and finds all as it left it.
bool WatchForks(void (* /*before*/)(), void (* /*in_parent*/)(), void (* /*in_child*/)()) {
  return true;
}

uint64_t ThisProcess() { return 0; }

Cores FindCores() { return {}; }

}  // namespace clamma
