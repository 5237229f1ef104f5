// SPDX-License-Identifier: MIT
// An output file in a folder to which other users may write, such as /tmp.
#ifndef CLAMMA_GEN_MULTI_OUTPUT_FILE_H_
#define CLAMMA_GEN_MULTI_OUTPUT_FILE_H_

#include <cstdio>
#include <string>

// Opens `path` for writing. A new file gets mode 0600. An existing file is truncated and written
// again, so that programs that follow it continue. It must be a regular file of the same user, with
// only one name, that no other process has opened with this function; links are not followed.
// Returns nullptr and sets *reason on failure.
std::FILE* OpenOutput(const std::string& path, std::string* reason);

#endif  // CLAMMA_GEN_MULTI_OUTPUT_FILE_H_
