// SPDX-License-Identifier: MIT
// Measures the time from the start of a process to its first token, for which the user of a
// command-line tool waits.
#ifndef CLAMMA_BENCH_FIRST_TOKEN_H_
#define CLAMMA_BENCH_FIRST_TOKEN_H_

#include <string>

#include "workload.h"

namespace bench {

// Returns the seconds from starting `program` (argv[0]) to the first text that it generates; 0 on
// failure, with the reason on stderr.
double FirstTokenOfProcess(const char* program, const Source& source, const std::string& prompt);

// If this is such a process, runs it and sets *code to its exit code. Returns whether it is.
bool RunFirstToken(int argc, char** argv, int* code);

}  // namespace bench

#endif  // CLAMMA_BENCH_FIRST_TOKEN_H_
