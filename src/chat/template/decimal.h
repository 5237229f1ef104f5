// SPDX-License-Identifier: MIT
// Floats as decimal numbers and back, exactly rounded, as Python's repr(), format() and float().
// A C library's depend on the locale.
#ifndef CLAMMA_CHAT_TEMPLATE_DECIMAL_H_
#define CLAMMA_CHAT_TEMPLATE_DECIMAL_H_

#include <cstddef>
#include <string_view>

namespace clamma {

// The value nearest to the decimal number digits * 10^exponent, ties to even; infinity where it is
// too large. `digits` are any number of '0' to '9'.
double DoubleFromDecimal(std::string_view digits, int exponent);

// [sign] digits [. digits] [e [sign] digits], without white space; false if it is none. No limit
// of its length.
bool ParseDouble(std::string_view text, double* value);

inline constexpr size_t kMaxReprBytes = 32;
// Python's repr(float): the fewest digits that read back as the value. Returns the length.
size_t ReprDouble(double value, char out[kMaxReprBytes]);

inline constexpr unsigned kMaxPrecision = 60;
inline constexpr size_t kMaxFixedBytes = 320 + kMaxPrecision;
// Python's "%.{precision}f": all digits are the value's own, rounded half to even. `value` may be
// infinite or not a number; precision is at most kMaxPrecision. Returns the length.
size_t FixedDouble(double value, unsigned precision, char out[kMaxFixedBytes]);

double Floor(double value);
double Remainder(double a, double b);  // C's fmod(); b is not 0

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_DECIMAL_H_
