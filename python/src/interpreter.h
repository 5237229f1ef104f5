// SPDX-License-Identifier: MIT
// The Python interpreter as seen from code that computes without its lock: releasing the lock,
// signals, the end of the interpreter, and fork().
//
// At its end the interpreter stops every thread that asks for the lock, by unwinding the stack in
// versions before 3.14, which C++ code does not survive. So each stretch of code without the lock
// is counted, and PrepareExit(), which runs before that, waits until there is none and never will
// be. From then on calls raise SystemExit, which ends a thread silently, and Error in the main
// thread.
#ifndef CLAMMA_PYTHON_INTERPRETER_H_
#define CLAMMA_PYTHON_INTERPRETER_H_

#include <Python.h>

#include <memory>
#include <utility>

namespace clamma_python {

// Call this first, once.
void WatchForks();

// A number that changes in the child of each fork().
unsigned ProcessNumber();

struct Process;

// Something that has to stop before the interpreter exits.
class StoppedAtExit {
 public:
  StoppedAtExit();
  StoppedAtExit(const StoppedAtExit&) = delete;
  StoppedAtExit& operator=(const StoppedAtExit&) = delete;
  virtual ~StoppedAtExit();
  // Called without the interpreter's lock.
  virtual void Stop() noexcept = 0;

 protected:
  // Must be called first by the destructor of the derived class, without the interpreter's lock.
  void Unregister() noexcept;
};

// Stops everything, and waits until no thread computes without the lock.
void PrepareExit();

// Releases the interpreter's lock during its lifetime.
class Released {
 public:
  enum class AtExit { kThrow, kKeepLock };

  // The calling thread must have the lock. When the interpreter exits, this throws, or does
  // nothing.
  explicit Released(AtExit at_exit = AtExit::kThrow);
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;
  ~Released();

  // On the main thread, runs the Python handlers of signals that have arrived. Returns false if one
  // raised an exception or forked this process, or if the interpreter exits: the thread should stop
  // what it does, and call ThrowIfStopped() when it has the lock again.
  bool HandleSignals() noexcept;

 private:
  Process* const process_;
  PyThreadState* state_ = nullptr;
};

// Throws the exception that HandleSignals() left, or what ends a thread when the interpreter exits.
void ThrowIfStopped();

bool IsMainThread();

// Makes a shared object that threads use. In the child of a fork() it is not destroyed, because
// threads that do not exist there may have held its locks.
template <typename T, typename... Arguments>
std::shared_ptr<T> MakeShared(Arguments&&... arguments) {
  return std::shared_ptr<T>(new T(std::forward<Arguments>(arguments)...),
                            [process = ProcessNumber()](T* object) {
                              if (process == ProcessNumber()) delete object;
                            });
}

}  // namespace clamma_python

#endif  // CLAMMA_PYTHON_INTERPRETER_H_
