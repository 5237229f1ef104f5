// SPDX-License-Identifier: MIT
// Runs the measurements in order. Each is made between two measurements of its limit.
#ifndef CLAMMA_BENCH_BENCHMARK_H_
#define CLAMMA_BENCH_BENCHMARK_H_

#include "options.h"
#include "probe.h"
#include "progress.h"
#include "report.h"
#include "workload.h"

namespace bench {

// `program` is argv[0]. Fills the report, except the model's name and file size; prints its header
// as soon as it is known, unless the output is JSON. Returns 0, or an exit code after printing the
// reason to stderr.
int RunBenchmark(const char* program, const Options& options, const Source& source, Probe& probe,
                 Progress& progress, Report* report);

}  // namespace bench

#endif  // CLAMMA_BENCH_BENCHMARK_H_
