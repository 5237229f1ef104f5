// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/number_range.h"

#include <bit>
#include <string_view>

#include "chat/template/decimal.h"

namespace clamma {
namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kMaxExact = 1e15;  // integers up to this are doubles

// The least integer that obeys a lower bound. Returns false if there is none of 64 bits.
bool LeastInteger(const SchemaBound& bound, int64_t* least) {
  bool is_next = bound.is_exclusive;
  if (bound.value->Is(Kind::kInt)) {
    *least = bound.value->integer;
  } else {
    const double ceiling = -Floor(-bound.value->real);
    if (ceiling >= kTwoTo63) return false;
    *least = ceiling < -kTwoTo63 ? INT64_MIN : static_cast<int64_t>(ceiling);
    is_next = is_next && ceiling == bound.value->real && ceiling >= -kTwoTo63;
  }
  return !is_next || !__builtin_add_overflow(*least, int64_t{1}, least);
}

bool LargestInteger(const SchemaBound& bound, int64_t* largest) {
  bool is_next = bound.is_exclusive;
  if (bound.value->Is(Kind::kInt)) {
    *largest = bound.value->integer;
  } else {
    const double floor = Floor(bound.value->real);
    if (floor < -kTwoTo63) return false;
    *largest = floor >= kTwoTo63 ? INT64_MAX : static_cast<int64_t>(floor);
    is_next = is_next && floor == bound.value->real && floor < kTwoTo63;
  }
  return !is_next || !__builtin_sub_overflow(*largest, int64_t{1}, largest);
}

// The double next to a finite one.
double NextDouble(double value, bool upwards) {
  auto bits = std::bit_cast<uint64_t>(value);
  bits += (value > 0) == upwards ? 1 : uint64_t{0} - 1;
  return std::bit_cast<double>(bits);
}

// Returns false if there are too many digits.
bool DecimalOfDouble(double value, Decimal* decimal) {
  char text[kMaxReprBytes];
  const std::string_view repr(text, ReprDouble(value, text));
  // The digits, and how many of them are in front of the point.
  uint8_t digits[kMaxReprBytes];
  int n = 0, point = 0, exponent = 0;
  bool has_point = false;
  size_t i = repr[0] == '-' ? 1 : 0;
  for (; i < repr.size() && repr[i] != 'e'; ++i) {
    if (repr[i] == '.') {
      has_point = true;
      continue;
    }
    digits[n++] = static_cast<uint8_t>(repr[i] - '0');
    if (!has_point) ++point;
  }
  const bool is_tiny = i + 1 < repr.size() && repr[i + 1] == '-';
  for (i += 2; i < repr.size(); ++i) exponent = exponent * 10 + (repr[i] - '0');
  point += is_tiny ? -exponent : exponent;
  *decimal = {};
  decimal->is_negative = value < 0;
  if (point > 32 || n - point > 40) return false;
  while (n > 0 && digits[n - 1] == 0 && n > point) --n;
  int first = 0;
  while (first < n && first < point - 1 && digits[first] == 0) ++first;
  uint32_t at = 0;
  const auto put = [&](int k) { decimal->digits[at++] = k >= 0 && k < n ? digits[k] : 0; };
  for (int k = point < 1 ? point - 1 : first; k < point; ++k) put(point < 1 ? -1 : k);
  decimal->n_integer = at;
  for (int k = point; k < n; ++k) put(k);
  decimal->n_fraction = at - decimal->n_integer;
  return true;
}

}  // namespace

IntegerRange IntegersOfShape(const SchemaShape& shape) {
  IntegerRange range;
  range.has_lower = shape.lower.value != nullptr;
  range.has_upper = shape.upper.value != nullptr;
  if (shape.lower.value != nullptr) range.is_empty |= !LeastInteger(shape.lower, &range.lower);
  if (shape.upper.value != nullptr) range.is_empty |= !LargestInteger(shape.upper, &range.upper);
  if (range.has_lower && range.has_upper && range.lower > range.upper) range.is_empty = true;
  return range;
}

void NarrowNumbers(SchemaShape* shape) {
  if (shape->lower.value == nullptr || shape->upper.value == nullptr) return;
  const int order = CompareNumbers(*shape->lower.value, *shape->upper.value);
  const bool is_open = shape->lower.is_exclusive || shape->upper.is_exclusive;
  if (order > 0 || (order == 0 && is_open)) {
    shape->types &= ~unsigned{kIntegerType | kFractionType};
    return;
  }
  int64_t least = 0, largest = 0;
  if (LeastInteger(shape->lower, &least) && LargestInteger(shape->upper, &largest) &&
      least > largest) {
    shape->types &= ~unsigned{kIntegerType};
  }
}

Decimal DecimalOfInteger(int64_t value) {
  Decimal decimal;
  decimal.is_negative = value < 0;
  auto rest = static_cast<uint64_t>(value);
  if (value < 0) rest = uint64_t{0} - rest;
  uint8_t turned[20];
  uint32_t n = 0;
  do {
    turned[n++] = static_cast<uint8_t>(rest % 10);
    rest /= 10;
  } while (rest > 0);
  decimal.n_integer = n;
  for (uint32_t i = 0; i < n; ++i) decimal.digits[i] = turned[n - 1 - i];
  return decimal;
}

bool DecimalOfBound(const SchemaBound& bound, bool is_lower, Decimal* decimal) {
  double value = bound.value->AsFloat();
  if (value >= kMaxExact || value <= -kMaxExact) {
    constexpr int64_t kLast = 999'999'999'999'999;
    *decimal = DecimalOfInteger(is_lower ? -kLast : kLast);
    return (value < 0) == is_lower;
  }
  if (bound.is_exclusive) {
    value = value == 0 ? (is_lower ? 1e-20 : -1e-20) : NextDouble(value, is_lower);
  }
  return DecimalOfDouble(value, decimal);
}

}  // namespace clamma
