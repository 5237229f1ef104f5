// SPDX-License-Identifier: MIT
// snprintf for what messages need, of our own: a C library's comes with files, locales and an
// allocator, which a small machine has no room for.
#ifndef CLAMMA_PLATFORM_FORMAT_H_
#define CLAMMA_PLATFORM_FORMAT_H_

#include <cstdarg>
#include <cstddef>

// Formats as C has them: for Windows, GCC takes plain "printf" for what Windows had before.
#if defined(_WIN32) && !defined(__clang__)
#define CLAMMA_PRINTF_LIKE(text, first) [[gnu::format(gnu_printf, text, first)]]
#else
#define CLAMMA_PRINTF_LIKE(text, first) [[gnu::format(printf, text, first)]]
#endif

namespace clamma {

using Ull = unsigned long long;  // NOLINT(google-runtime-int): what %llu takes, for a uint64_t

// As snprintf: returns the length of the whole text; what of it fits in `size` bytes is written,
// always terminated unless size is 0. Knows %s, %d, %u, %x, the latter two also with z or ll, and
// %%; nothing else may be in a format.
CLAMMA_PRINTF_LIKE(3, 4) size_t Format(char* text, size_t size, const char* format, ...);
CLAMMA_PRINTF_LIKE(3, 0)
size_t FormatList(char* text, size_t size, const char* format, va_list args);

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_FORMAT_H_
