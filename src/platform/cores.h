// SPDX-License-Identifier: MIT
// The number of cores that this process may keep busy, according to its affinity mask and to the
// CPU quota of the container (Linux's control groups) in which it runs.
#ifndef CLAMMA_PLATFORM_CORES_H_
#define CLAMMA_PLATFORM_CORES_H_

#include <cstdint>

namespace clamma {

struct Cores {
  unsigned usable = 1;       // the smaller of both, rounded down, at least 1
  uint64_t quota_milli = 0;  // the quota in thousandths of a core; 0: none
};

#if LIBCLAMMA_THREADING_PTHREADS || LIBCLAMMA_THREADING_WIN32
Cores FindCores();
#else
inline Cores FindCores() { return {}; }  // one core, whatever the system has
#endif

// The smallest CPU quota of this process's control group and of those above it, in thousandths of a
// core, at least 1; 0: there is none, or the system has no control groups. Reads cpu.max of version
// 2 and cpu.cfs_quota_us of version 1. All paths are prefixed with `root`; "" is the system itself.
uint64_t FindQuotaMilli(const char* root);

// Combines the number of cores in the affinity mask and a quota.
inline Cores CoresOf(unsigned in_mask, uint64_t quota_milli) {
  Cores cores = {.usable = in_mask > 1 ? in_mask : 1, .quota_milli = quota_milli};
  if (quota_milli != 0 && quota_milli / 1000 < cores.usable) {
    cores.usable = quota_milli < 2000 ? 1 : static_cast<unsigned>(quota_milli / 1000);
  }
  return cores;
}

inline unsigned UsableCores() { return FindCores().usable; }

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_CORES_H_
