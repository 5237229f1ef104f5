// SPDX-License-Identifier: MIT
#include "free_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace server {
namespace {

constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();

uint64_t Available() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  uint64_t kilobytes = 0;
  while (file >> name >> kilobytes) {
    if (name == "MemAvailable:") return kilobytes * 1024;
    std::getline(file, name);
  }
  return kUnknown;
}

// The number in a file; "max", or no file, is unknown.
uint64_t NumberIn(const char* path) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? value : kUnknown;
}

// Of control groups, version 2: within a container its limit is at the top.
uint64_t LeftInContainer() {
  const uint64_t limit = NumberIn("/sys/fs/cgroup/memory.max");
  const uint64_t used = NumberIn("/sys/fs/cgroup/memory.current");
  if (limit == kUnknown || used == kUnknown) return kUnknown;
  return limit > used ? limit - used : 0;
}

}  // namespace

uint64_t FreeMemory() {
  const uint64_t bytes = std::min(Available(), LeftInContainer());
  return bytes == kUnknown ? 0 : bytes;
}

}  // namespace server
