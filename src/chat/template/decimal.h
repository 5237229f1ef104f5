// SPDX-License-Identifier: MIT
// Converts floats to decimal numbers and back, correctly rounded, as Python's repr(), format() and
// float() do. (The functions of a C library depend on the locale.)
#ifndef CLAMMA_CHAT_TEMPLATE_DECIMAL_H_
#define CLAMMA_CHAT_TEMPLATE_DECIMAL_H_

#include <cstddef>
#include <string_view>

namespace clamma {

// Returns the double nearest to digits * 10^exponent, ties to even; infinity if that is too large.
// `digits` is any number of '0' to '9'.
double DoubleFromDecimal(std::string_view digits, int exponent);

// Parses [sign] digits [. digits] [e [sign] digits] of any length, without white space. Returns
// false if the text does not have this form.
bool ParseDouble(std::string_view text, double* value);

inline constexpr size_t kMaxReprBytes = 32;
// Python's repr(float): the fewest digits that parse back to the value. Returns the length.
size_t ReprDouble(double value, char out[kMaxReprBytes]);

inline constexpr unsigned kMaxPrecision = 60;
inline constexpr size_t kMaxFixedBytes = 320 + kMaxPrecision;
// Python's "%.{precision}f": the exact value, rounded half to even. `value` may be infinite or not
// a number; precision is at most kMaxPrecision. Returns the length.
size_t FixedDouble(double value, unsigned precision, char out[kMaxFixedBytes]);

double Floor(double value);
double Remainder(double a, double b);  // C's fmod(); b is not 0

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_DECIMAL_H_
