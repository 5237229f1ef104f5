// SPDX-License-Identifier: MIT
// What the system tells of the machine and of this process.
#ifndef CLAMMA_BENCH_MACHINE_H_
#define CLAMMA_BENCH_MACHINE_H_

#include <cstdint>
#include <string>

namespace bench {

std::string CpuName();            // as the system calls it; the architecture, if it does not
uint64_t LargestCacheBytes();     // of one processor; a guess where it is not told
uint64_t AvailableMemoryBytes();  // that can be used without pushing others out; likewise
uint64_t PeakRssBytes();          // of this process so far, mapped files included

}  // namespace bench

#endif  // CLAMMA_BENCH_MACHINE_H_
