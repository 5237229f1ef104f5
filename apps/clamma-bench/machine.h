// SPDX-License-Identifier: MIT
// Facts about the machine and this process.
#ifndef CLAMMA_BENCH_MACHINE_H_
#define CLAMMA_BENCH_MACHINE_H_

#include <cstdint>
#include <string>

namespace bench {

std::string CpuName();            // the system's name; the architecture if there is none
uint64_t LargestCacheBytes();     // of one processor; a guess if unknown
uint64_t AvailableMemoryBytes();  // that is available without swapping; a guess if unknown
uint64_t PeakRssBytes();          // of this process so far, including mapped files

}  // namespace bench

#endif  // CLAMMA_BENCH_MACHINE_H_
