// SPDX-License-Identifier: MIT
#ifndef CLAMMA_APPS_TEXT_FILE_H_
#define CLAMMA_APPS_TEXT_FILE_H_

#include <cstddef>
#include <string>

// Reads a whole file, or stdin if the path is "-", but at most max_bytes + 1 bytes of it: a longer
// text shows that the file is too long. A pipe is read, too, but refused if no process opens it for
// writing within a second. Returns "" or the reason of a failure.
std::string ReadTextFile(const std::string& path, size_t max_bytes, std::string* text);

#endif  // CLAMMA_APPS_TEXT_FILE_H_
