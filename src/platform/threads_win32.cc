// SPDX-License-Identifier: MIT
// Threads on Windows. threads.h declares Windows' types as pointers, so that it need not include
// windows.h.
#include <windows.h>

#include "platform/cores.h"
#include "platform/threads.h"

namespace clamma {
namespace {

static_assert(sizeof(SRWLOCK) == sizeof(NativeMutex));
static_assert(sizeof(CONDITION_VARIABLE) == sizeof(NativeCondition));

SRWLOCK* LockOf(NativeMutex& mutex) { return reinterpret_cast<SRWLOCK*>(&mutex); }
CONDITION_VARIABLE* ConditionOf(NativeCondition& condition) {
  return reinterpret_cast<CONDITION_VARIABLE*>(&condition);
}

}  // namespace

void Mutex::Lock() { AcquireSRWLockExclusive(LockOf(native_)); }
void Mutex::Unlock() { ReleaseSRWLockExclusive(LockOf(native_)); }
void Condition::Wait(Mutex& mutex) {
  SleepConditionVariableSRW(ConditionOf(native_), LockOf(mutex.native_), INFINITE, 0);
}
void Condition::NotifyAll() { WakeAllConditionVariable(ConditionOf(native_)); }
void Condition::Forget() {}

bool Thread::Start(void (*body)(void*), void* argument) {
  body_ = body;
  argument_ = argument;
  const LPTHREAD_START_ROUTINE main = [](void* self) -> DWORD {
    Run(self);
    return 0;
  };
  native_ = CreateThread(nullptr, 0, main, this, 0, nullptr);
  return native_ != nullptr;
}

void Thread::Join() {
  WaitForSingleObject(native_, INFINITE);
  CloseHandle(native_);
}

// Thread ids are unique and not 0.
const void* ThisThread() {
  return reinterpret_cast<const void*>(static_cast<uintptr_t>(GetCurrentThreadId()));
}

// Windows has neither cancellation nor fork().
int ForbidCancel() { return 0; }
void AllowCancelAgain(int /*before*/) {}
bool WatchForks(void (* /*before*/)(), void (* /*in_parent*/)(), void (* /*in_child*/)()) {
  return true;
}

uint64_t ThisProcess() { return GetCurrentProcessId(); }

Cores FindCores() {
  DWORD_PTR usable = 0;
  DWORD_PTR all = 0;
  if (!GetProcessAffinityMask(GetCurrentProcess(), &usable, &all) || usable == 0) return {};
  return CoresOf(static_cast<unsigned>(__builtin_popcountll(usable)), 0);
}

}  // namespace clamma
