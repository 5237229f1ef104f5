// SPDX-License-Identifier: MIT
// A build without a clock: seeds differ from call to call, but are the same in each run.
#include "platform/clock.h"

namespace clamma {

uint64_t Now() { return 0; }

uint64_t SteadyNow() { return 0; }

bool LocalTime(int64_t* /*seconds*/, int32_t* /*utc_offset*/) { return false; }

}  // namespace clamma
