// SPDX-License-Identifier: MIT
// Wakes an event loop when queries have news: a descriptor that becomes readable.
#ifndef CLAMMA_PYTHON_WAKER_H_
#define CLAMMA_PYTHON_WAKER_H_

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace clamma_python {

class Waker {
 public:
  Waker();  // throws clamma::Error if there is no descriptor left
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker();

  int descriptor() const { return read_end_; }
  // Any thread may call it. Never blocks.
  void Tell(uint64_t id) noexcept;
  // The ids that were told since the last call.
  std::vector<uint64_t> Take();

 private:
  int read_end_ = -1, write_end_ = -1;
  std::mutex mutex_;
  std::vector<uint64_t> ids_;
};

}  // namespace clamma_python

#endif  // CLAMMA_PYTHON_WAKER_H_
