// SPDX-License-Identifier: MIT
#include "waker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <clamma.hpp>
#include <cstring>
#include <string>

namespace clamma_python {

Waker::Waker() {
  int ends[2];
  if (pipe(ends) != 0) throw clamma::Error(std::string("no pipe: ") + std::strerror(errno));
  for (const int end : ends) {
    fcntl(end, F_SETFD, FD_CLOEXEC);
    fcntl(end, F_SETFL, O_NONBLOCK);
  }
  read_end_ = ends[0];
  write_end_ = ends[1];
}

Waker::~Waker() {
  close(read_end_);
  close(write_end_);
}

void Waker::Tell(uint64_t id) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool first = ids_.empty();
  try {
    ids_.push_back(id);
  } catch (const std::exception&) {
    // Out of memory. A query without news for so long that this succeeds is told at its end.
  }
  if (first) [[maybe_unused]]
    const ssize_t written = write(write_end_, "", 1);  // never full
}

std::vector<uint64_t> Waker::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  char bytes[16];
  while (read(read_end_, bytes, sizeof(bytes)) > 0) continue;
  return std::exchange(ids_, {});
}

}  // namespace clamma_python
