// SPDX-License-Identifier: MIT
#ifndef CLAMMA_PLATFORM_CLOCK_H_
#define CLAMMA_PLATFORM_CLOCK_H_

#include <cstdint>

namespace clamma {

// Nanoseconds since some time in the past: clock_libc.cc, clock_win32.cc; 0 where there is no
// clock: clock_none.cc.
uint64_t Now();

// Seconds since 1970-01-01 UTC, and those to add for local time; false where that is not known.
bool LocalTime(int64_t* seconds, int32_t* utc_offset);

// A number that differs from call to call and, where there is a clock, from run to run; never 0.
// Any thread.
uint64_t SeedFromClock();

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_CLOCK_H_
