// SPDX-License-Identifier: MIT
#include "log.h"

#include <chrono>
#include <cstdio>
#include <mutex>

namespace demo {

void Log(std::string_view from, std::string_view message) {
  using Clock = std::chrono::steady_clock;
  static std::mutex mutex;
  static Clock::time_point next;
  const std::lock_guard lock(mutex);
  const Clock::time_point now = Clock::now();
  if (now < next) return;
  next = now + std::chrono::seconds(1);
  while (message.ends_with('\n')) message.remove_suffix(1);
  std::fprintf(stderr, "clamma-ws-demo: %.*s%.*s\n", static_cast<int>(from.size()), from.data(),
               static_cast<int>(message.size()), message.data());
}

}  // namespace demo
