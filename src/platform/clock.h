// SPDX-License-Identifier: MIT
#ifndef CLAMMA_PLATFORM_CLOCK_H_
#define CLAMMA_PLATFORM_CLOCK_H_

#include <cstdint>

namespace clamma {

// Nanoseconds since some time in the past (clock_libc.cc, clock_win32.cc), or 0 if there is no
// clock (clock_none.cc).
uint64_t Now();

// Nanoseconds since some time in the past, not affected when the clock is set; 0 if there is none.
uint64_t SteadyNow();

// Sets the seconds since 1970-01-01 UTC, and the seconds to add for local time. Returns false if
// they are unknown.
bool LocalTime(int64_t* seconds, int32_t* utc_offset);

// A number that differs from call to call and, if there is a clock, from run to run; never 0. Any
// thread may call it.
uint64_t SeedFromClock();

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_CLOCK_H_
