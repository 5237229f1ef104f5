// SPDX-License-Identifier: MIT
// The range and the divisors of numbers.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_NUMBER_RANGE_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_NUMBER_RANGE_H_

#include <cstdint>

#include "engine/grammar/schema/shape.h"

namespace clamma {

// Integers from lower to upper, both included; either may be unlimited.
struct IntegerRange {
  bool has_lower = false;
  bool has_upper = false;
  int64_t lower = 0;
  int64_t upper = 0;
  bool is_empty = false;
};

// The integers within the shape's bounds; a bound beyond 64 bits becomes the last integer of 64
// bits.
IntegerRange IntegersOfShape(const SchemaShape& shape);

// Takes numbers away from the shape's types if its bounds contradict.
void NarrowNumbers(SchemaShape* shape);

// A decimal number without an exponent, for comparing digit by digit.
struct Decimal {
  static constexpr size_t kMaxDigits = 64;
  bool is_negative = false;
  uint32_t n_integer = 0;   // digits in front of the point; at least 1, without needless zeros
  uint32_t n_fraction = 0;  // digits behind the point; the last one is not 0
  uint8_t digits[kMaxDigits] = {};

  bool is_zero() const { return n_integer == 1 && n_fraction == 0 && digits[0] == 0; }
};

Decimal DecimalOfInteger(int64_t value);

// Makes a bound of numbers with fractions an included one: exact for numbers that are read as
// doubles, except that the number next to 0 is 1e-20, and that none is beyond 10^15. Returns false
// if it has too many digits, or if only numbers beyond 10^15 obey it.
bool DecimalOfBound(const SchemaBound& bound, bool is_lower, Decimal* decimal);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_NUMBER_RANGE_H_
