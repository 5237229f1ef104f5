// SPDX-License-Identifier: MIT
// The arithmetic limits of a core: loops that contain only multiply-adds in registers.
#ifndef CLAMMA_BENCH_COMPUTE_PEAK_H_
#define CLAMMA_BENCH_COMPUTE_PEAK_H_

#include <cstdint>

namespace bench {

struct PeakKernel {
  const char* instruction;      // for the report
  double ops_per_loop;          // a multiply-add counts as 2
  void (*run)(uint64_t loops);  // on one core
};

// The fastest vector instruction that this CPU can run, determined at run time.
PeakKernel Int8PeakKernel();
PeakKernel FloatPeakKernel();

}  // namespace bench

#endif  // CLAMMA_BENCH_COMPUTE_PEAK_H_
