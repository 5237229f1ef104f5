// SPDX-License-Identifier: MIT
// How long a process takes from its start to its first token: what a command-line tool's user waits
// for.
#ifndef CLAMMA_BENCH_FIRST_TOKEN_H_
#define CLAMMA_BENCH_FIRST_TOKEN_H_

#include <string>

#include "workload.h"

namespace bench {

// Seconds from starting `program` (this one, as argv[0] names it) to the first text that it
// generates; 0 if that failed, with the reason on stderr.
double FirstTokenOfProcess(const char* program, const Source& source, const std::string& prompt);

// Whether this is such a process; then *code is what it exits with.
bool RunFirstToken(int argc, char** argv, int* code);

}  // namespace bench

#endif  // CLAMMA_BENCH_FIRST_TOKEN_H_
