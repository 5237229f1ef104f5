// SPDX-License-Identifier: MIT
#include "machine.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace bench {
namespace {

constexpr uint64_t kGuessedCache = uint64_t{32} << 20;
constexpr uint64_t kGuessedMemory = uint64_t{2} << 30;

// The rest of the first line of `file` that starts with `key`, after blanks and a colon; "" if
// there is none.
std::string Field(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const size_t at = line.find_first_not_of(" \t:", key.size());
    return at == std::string::npos ? "" : line.substr(at);
  }
  return "";
}

// Parses "24 kB", "260096K" or "32M" to bytes; 0 for other texts.
uint64_t ParseSize(const std::string& text) {
  char* end = nullptr;
  const uint64_t number = std::strtoull(text.c_str(), &end, 10);
  while (*end == ' ') ++end;
  if (*end == 'k' || *end == 'K') return number << 10;
  if (*end == 'M') return number << 20;
  return number;
}

}  // namespace

std::string CpuName() {
  for (const char* key : {"model name", "Model", "Hardware"}) {
    if (std::string name = Field("/proc/cpuinfo", key); !name.empty()) return name;
  }
  utsname names = {};
  return uname(&names) == 0 ? names.machine : "unknown CPU";
}

uint64_t LargestCacheBytes() {
  uint64_t largest = 0;
  for (char index = '0'; index < '8'; ++index) {
    const std::string file =
        std::string("/sys/devices/system/cpu/cpu0/cache/index") + index + "/size";
    largest = std::max(largest, ParseSize(Field(file.c_str(), "")));
  }
  return largest != 0 ? largest : kGuessedCache;
}

uint64_t AvailableMemoryBytes() {
  const uint64_t bytes = ParseSize(Field("/proc/meminfo", "MemAvailable"));
  return bytes != 0 ? bytes : kGuessedMemory;
}

uint64_t PeakRssBytes() {
  if (const uint64_t bytes = ParseSize(Field("/proc/self/status", "VmHWM")); bytes != 0) {
    return bytes;
  }
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
#if defined(__APPLE__)
  return static_cast<uint64_t>(usage.ru_maxrss);
#else
  return static_cast<uint64_t>(usage.ru_maxrss) << 10;
#endif
}

}  // namespace bench
