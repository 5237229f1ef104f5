// SPDX-License-Identifier: MIT
// The measurements in their order, each between two looks at its limit.
#ifndef CLAMMA_BENCH_BENCHMARK_H_
#define CLAMMA_BENCH_BENCHMARK_H_

#include "options.h"
#include "probe.h"
#include "progress.h"
#include "report.h"
#include "workload.h"

namespace bench {

// `program` is this one, as argv[0] names it. Fills the report but for the model's name and file
// size; prints its header as soon as it is known, unless JSON is wanted. Returns 0, or an exit code
// after the reason went to stderr.
int RunBenchmark(const char* program, const Options& options, const Source& source, Probe& probe,
                 Progress& progress, Report* report);

}  // namespace bench

#endif  // CLAMMA_BENCH_BENCHMARK_H_
