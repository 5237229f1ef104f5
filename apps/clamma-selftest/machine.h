// SPDX-License-Identifier: MIT
// Describes the machine.
#ifndef CLAMMA_APPS_SELFTEST_MACHINE_H_
#define CLAMMA_APPS_SELFTEST_MACHINE_H_

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace selftest {

// The system and the compiler: "Linux 6.1.0, x86_64, little-endian, GCC 12.2.0".
std::string DescribeSystem();

// The CPU's name, if the system reports it, and the usable cores.
std::string DescribeCpu();

// The features that kernels may use, and whether the CPU has them: "avx2 fma, not avx512f".
std::string DescribeFeatures();

// The kernel tables that this CPU can run, best first, each once.
std::vector<const clamma::Kernels*> UsableTables();

}  // namespace selftest

#endif  // CLAMMA_APPS_SELFTEST_MACHINE_H_
