// SPDX-License-Identifier: MIT
#ifndef CLAMMA_PLATFORM_CLOCK_H_
#define CLAMMA_PLATFORM_CLOCK_H_

#include <cstdint>

namespace clamma {

// A number that differs from call to call and from run to run; never 0. Any thread.
uint64_t SeedFromClock();

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_CLOCK_H_
