// SPDX-License-Identifier: MIT
#include "interpreter.h"

#include <nanobind/nanobind.h>
#include <pthread.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include <atomic>
#include <chrono>
#include <clamma.hpp>
#include <mutex>
#include <thread>
#include <vector>

namespace clamma_python {

// The child of a fork() gets a new one: a thread that is not there may have locked the old one.
struct Process {
  unsigned number = 0;
  std::mutex mutex;  // guards `stopped_at_exit`
  std::vector<StoppedAtExit*> stopped_at_exit;
  std::atomic<size_t> released = 0;  // number of threads that compute without the lock
  std::atomic<bool> exiting = false;
};

namespace {

constexpr std::chrono::milliseconds kPollInterval{1};  // while the interpreter exits

Process* NewProcess(unsigned number) {
  auto* process = new Process;  // never deleted: threads may outlive static objects
  process->number = number;
  return process;
}

std::atomic<Process*> process = nullptr;

[[noreturn]] void ThrowExiting() {
  if (IsMainThread()) throw clamma::Error("the interpreter is exiting");
  PyErr_SetNone(PyExc_SystemExit);
  throw nanobind::python_error();
}

}  // namespace

void WatchForks() {
  process = NewProcess(0);
  pthread_atfork(nullptr, nullptr, [] { process = NewProcess(process.load()->number + 1); });
}

unsigned ProcessNumber() { return process.load()->number; }

StoppedAtExit::StoppedAtExit() {
  Process* here = process.load();
  const std::lock_guard<std::mutex> lock(here->mutex);
  here->stopped_at_exit.push_back(this);
}

StoppedAtExit::~StoppedAtExit() = default;

void StoppedAtExit::Unregister() noexcept {
  Process* here = process.load();
  const std::lock_guard<std::mutex> lock(here->mutex);
  std::erase(here->stopped_at_exit, this);
}

void PrepareExit() {
  Process* here = process.load();
  here->exiting = true;
  PyThreadState* state = PyEval_SaveThread();
  {
    const std::lock_guard<std::mutex> lock(here->mutex);
    for (StoppedAtExit* object : here->stopped_at_exit) object->Stop();
  }
  while (here->released > 0) std::this_thread::sleep_for(kPollInterval);
  PyEval_RestoreThread(state);
}

Released::Released(AtExit at_exit) : process_(process.load()) {
  ++process_->released;  // before the question, so that PrepareExit() waits for either outcome
  if (process_->exiting) {
    --process_->released;
    if (at_exit == AtExit::kKeepLock) return;
    ThrowExiting();
  }
  state_ = PyEval_SaveThread();
}

Released::~Released() {
  if (state_ == nullptr) return;
  PyEval_RestoreThread(state_);
  --process_->released;
}

bool Released::HandleSignals() noexcept {
  if (process_->exiting) return false;
  if (state_ == nullptr || !IsMainThread()) return true;
  PyEval_RestoreThread(state_);
  const bool good = PyErr_CheckSignals() == 0;
  state_ = PyEval_SaveThread();
  return good && process_ == process.load();
}

void ThrowIfStopped() {
  if (PyErr_Occurred() != nullptr) throw nanobind::python_error();
  if (process.load()->exiting) ThrowExiting();
}

bool IsMainThread() {
#if defined(__linux__)
  return syscall(SYS_gettid) == getpid();
#elif defined(__APPLE__)
  return pthread_main_np() != 0;
#else
  return true;
#endif
}

}  // namespace clamma_python
