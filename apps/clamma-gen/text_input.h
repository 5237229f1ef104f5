// SPDX-License-Identifier: MIT
#ifndef CLAMMA_GEN_TEXT_INPUT_H_
#define CLAMMA_GEN_TEXT_INPUT_H_

#include <string>

// Reads a whole file, or stdin if the path is "-". Returns "" or the reason of a failure.
std::string ReadText(const std::string& path, std::string* text);

#endif  // CLAMMA_GEN_TEXT_INPUT_H_
