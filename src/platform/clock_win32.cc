// SPDX-License-Identifier: MIT
#include <windows.h>

#include "platform/clock.h"

namespace clamma {

uint64_t Now() {
  FILETIME now = {};  // in units of 100 ns
  GetSystemTimeAsFileTime(&now);
  return (uint64_t{now.dwHighDateTime} << 32 | now.dwLowDateTime) * 100;
}

}  // namespace clamma
