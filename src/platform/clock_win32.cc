// SPDX-License-Identifier: MIT
#include <windows.h>

#include "platform/clock.h"

namespace clamma {

uint64_t Now() {
  FILETIME now = {};  // in units of 100 ns
  GetSystemTimeAsFileTime(&now);
  return (uint64_t{now.dwHighDateTime} << 32 | now.dwLowDateTime) * 100;
}

uint64_t SteadyNow() {
  LARGE_INTEGER count = {};
  LARGE_INTEGER per_second = {};
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&per_second);
  const auto ticks = static_cast<uint64_t>(count.QuadPart);
  const auto rate = static_cast<uint64_t>(per_second.QuadPart);
  return ticks / rate * 1000000000u + ticks % rate * 1000000000u / rate;
}

bool LocalTime(int64_t* seconds, int32_t* utc_offset) {
  constexpr int64_t kTo1970 = 11644473600;  // seconds, from 1601
  TIME_ZONE_INFORMATION zone = {};
  const DWORD kind = GetTimeZoneInformation(&zone);
  if (kind == TIME_ZONE_ID_INVALID) return false;
  const LONG summer = kind == TIME_ZONE_ID_DAYLIGHT ? zone.DaylightBias : 0;
  *seconds = static_cast<int64_t>(Now() / 1000000000u) - kTo1970;
  *utc_offset = static_cast<int32_t>(-60 * (zone.Bias + summer));
  return true;
}

}  // namespace clamma
