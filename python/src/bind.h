// SPDX-License-Identifier: MIT
// What the parts of the module share.
#ifndef CLAMMA_PYTHON_BIND_H_
#define CLAMMA_PYTHON_BIND_H_

#include <nanobind/nanobind.h>

#include <clamma.hpp>
#include <memory>
#include <utility>

#include "engine.h"
#include "interpreter.h"
#include "running_query.h"

namespace clamma_python {

void BindNames(nanobind::module_& m);    // models by name
void BindQueries(nanobind::module_& m);  // Request, Query, Waker
void BindModel(nanobind::module_& m);
void BindSession(nanobind::module_& m);

// An object behind a Python object: of this process alone, and destroyed without the interpreter's
// lock, because that may wait for a step.
template <typename T>
class Owned {
 public:
  explicit Owned(std::shared_ptr<T> object) : object_(std::move(object)) {}
  Owned(Owned&&) noexcept = default;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Owned& operator=(Owned&&) = delete;
  ~Owned() {
    if (object_ == nullptr) return;
    const Released released(Released::AtExit::kKeepLock);
    object_.reset();
  }

  // Throws in the child of a fork().
  const std::shared_ptr<T>& get() const {
    if (process_ != ProcessNumber()) {
      throw clamma::Error(
          "this model was loaded before fork(): load it again in the child process, or start "
          "processes with the method \"spawn\" or \"forkserver\"");
    }
    return object_;
  }

 private:
  std::shared_ptr<T> object_;
  unsigned process_ = ProcessNumber();
};

using PyModel = Owned<Engine>;

// A session keeps its model's engine. The handle is destroyed first.
struct PySession {
  Owned<Engine> engine;
  Owned<SessionHandle> handle;
  std::shared_ptr<RunningQuery> last = nullptr;  // the last query that was started
};

// A query, which is cancelled if it still runs when its Python object is gone. The model is kept by
// the Python object that has this one.
class PyQuery {
 public:
  explicit PyQuery(std::shared_ptr<RunningQuery> query) : query_(std::move(query)) {}
  PyQuery(PyQuery&&) noexcept = default;
  PyQuery(const PyQuery&) = delete;
  PyQuery& operator=(const PyQuery&) = delete;
  PyQuery& operator=(PyQuery&&) = delete;
  ~PyQuery() {
    if (query_ != nullptr && process_ == ProcessNumber()) query_->Cancel();
  }

  // Throws in the child of a fork().
  RunningQuery& get() const {
    if (process_ != ProcessNumber()) throw clamma::Error("this query runs in the parent process");
    return *query_;
  }

 private:
  std::shared_ptr<RunningQuery> query_;
  unsigned process_ = ProcessNumber();
};

// Lets a call of the library that computes for long look for signals: the progress callback, and
// its opaque pointer.
inline int StopOnSignal(void* released, size_t, size_t) noexcept {
  return static_cast<Released*>(released)->HandleSignals() ? 0 : 1;
}

// Runs a call without the interpreter's lock: call(&released) -> whether it succeeded.
template <typename Call>
void RunReleased(const Call& call) {
  bool good = false;
  {
    Released released;
    good = call(&released);
  }
  ThrowIfStopped();
  clamma::detail::Check(good);
}

}  // namespace clamma_python

#endif  // CLAMMA_PYTHON_BIND_H_
