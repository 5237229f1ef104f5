// SPDX-License-Identifier: MIT
// Our own snprintf, as much as messages need. A C library's snprintf pulls in files, locales and an
// allocator, for which a small machine has no room.
#ifndef CLAMMA_PLATFORM_FORMAT_H_
#define CLAMMA_PLATFORM_FORMAT_H_

#include <cstdarg>
#include <cstddef>

// Checks formats by C's rules. On Windows, GCC's plain "printf" means the rules that Windows had
// before.
#if defined(_WIN32) && !defined(__clang__)
#define CLAMMA_PRINTF_LIKE(text, first) [[gnu::format(gnu_printf, text, first)]]
#else
#define CLAMMA_PRINTF_LIKE(text, first) [[gnu::format(printf, text, first)]]
#endif

namespace clamma {

using Ull = unsigned long long;  // NOLINT(google-runtime-int): the type that %llu needs

// Like snprintf: returns the length of the whole text, and writes as much of it as fits in `size`
// bytes, always terminated unless size is 0. Supports only %s, %d, %u, %x, the last two also with z
// or ll, and %%.
CLAMMA_PRINTF_LIKE(3, 4) size_t Format(char* text, size_t size, const char* format, ...);
CLAMMA_PRINTF_LIKE(3, 0)
size_t FormatList(char* text, size_t size, const char* format, va_list args);

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_FORMAT_H_
