// SPDX-License-Identifier: MIT
#include <ctime>

#include "platform/clock.h"

namespace clamma {

uint64_t Now() {
  timespec now = {};
  timespec_get(&now, TIME_UTC);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t SteadyNow() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

bool LocalTime(int64_t* seconds, int32_t* utc_offset) {
  const time_t now = time(nullptr);
  tm utc = {};
  tm local = {};
  if (now == static_cast<time_t>(-1) || gmtime_r(&now, &utc) == nullptr ||
      localtime_r(&now, &local) == nullptr) {
    return false;
  }
  // Both describe the same moment, so their dates are at most a day apart.
  int days = local.tm_yday - utc.tm_yday;
  if (local.tm_year != utc.tm_year) days = local.tm_year - utc.tm_year;
  const int hours = days * 24 + local.tm_hour - utc.tm_hour;
  *seconds = now;
  *utc_offset = (hours * 60 + local.tm_min - utc.tm_min) * 60;
  return true;
}

}  // namespace clamma
