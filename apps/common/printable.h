// SPDX-License-Identifier: MIT
// Makes text from untrusted files safe to show. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_PRINTABLE_H_
#define CLAMMA_APPS_COMMON_PRINTABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Returns the length of the UTF-8 character at the beginning of the text, and sets its code point;
// 0: there is none.
size_t DecodeUtf8(std::string_view text, uint32_t* code);

// Returns whether a character controls a terminal, breaks a line, or changes its direction.
bool IsHarmful(uint32_t code);

// Returns the text on one line. Harmful characters, backslashes and bytes that are not UTF-8 are
// escaped as \n, \t, \r, \\, \xNN or \u{N}. A text of more than `most` bytes is cut and ends with
// "...".
std::string Printable(std::string_view text, size_t most = SIZE_MAX);

#endif  // CLAMMA_APPS_COMMON_PRINTABLE_H_
