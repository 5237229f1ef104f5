// SPDX-License-Identifier: MIT
// Text of untrusted files, fit to be shown. Copy this folder with the app that you start from.
#ifndef CLAMMA_APPS_COMMON_PRINTABLE_H_
#define CLAMMA_APPS_COMMON_PRINTABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Length of the UTF-8 character at the text's begin, and its code point; 0: there is none.
size_t DecodeUtf8(std::string_view text, uint32_t* code);

// Characters that steer a terminal, break a line, or turn its direction.
bool IsHarmful(uint32_t code);

// The text on one line. Harmful characters, backslashes and bytes that are not UTF-8 are escaped:
// as \n, \t, \r, \\, \xNN or \u{N}. What is longer than `most` bytes is cut, and "..." follows.
std::string Printable(std::string_view text, size_t most = SIZE_MAX);

#endif  // CLAMMA_APPS_COMMON_PRINTABLE_H_
