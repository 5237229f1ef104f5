// SPDX-License-Identifier: MIT
// A file in a folder that others may write to, such as /tmp.
#ifndef CLAMMA_GEN_MULTI_OUTPUT_FILE_H_
#define CLAMMA_GEN_MULTI_OUTPUT_FILE_H_

#include <cstdio>
#include <string>

// Opens `path` for writing. A new file is for its owner alone (mode 0600). One that is there is
// emptied and written again, so that whoever reads along goes on, but only a regular file of one's
// own, by no other name, that no other process has opened by this function: links are not followed,
// and nothing else is touched. Returns nullptr, and sets *reason, if it cannot.
std::FILE* OpenOutput(const std::string& path, std::string* reason);

#endif  // CLAMMA_GEN_MULTI_OUTPUT_FILE_H_
