// SPDX-License-Identifier: MIT
#include <ctime>

#include "platform/clock.h"

namespace clamma {

uint64_t Now() {
  timespec now = {};
  timespec_get(&now, TIME_UTC);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace clamma
