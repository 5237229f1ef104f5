// SPDX-License-Identifier: MIT
// An operator new that fails on a test's request, for a program that runs with this library
// preloaded. CLAMMA_TEST_ALLOCATIONS names a file of three 64-bit numbers, which both processes
// map: the number of allocations that have failed, the number that succeed from now on, and the
// number that then fail.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

namespace {

struct Plan {
  int64_t failed;
  int64_t skip;
  int64_t fail;
};

volatile Plan* Map() {
  const char* path = std::getenv("CLAMMA_TEST_ALLOCATIONS");
  if (path == nullptr) return nullptr;
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* memory = mmap(nullptr, sizeof(Plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return memory == MAP_FAILED ? nullptr : static_cast<volatile Plan*>(memory);
}

bool Fails() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  static volatile Plan* const plan = Map();
  if (plan == nullptr || plan->fail <= 0) return false;
  if (plan->skip > 0) {
    plan->skip = plan->skip - 1;
    return false;
  }
  plan->fail = plan->fail - 1;
  plan->failed = plan->failed + 1;
  return true;
}

}  // namespace

// new[] and the forms that do not throw call this one, too.
void* operator new(size_t size) {
  void* memory = Fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
