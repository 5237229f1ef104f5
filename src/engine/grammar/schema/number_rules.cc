// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/number_rules.h"

#include <algorithm>
#include <numeric>

#include "chat/template/decimal.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/schema/nodes.h"
#include "engine/grammar/schema/number_range.h"
#include "engine/grammar/schema/set_rules.h"
#include "engine/grammar/schema/string_set_builder.h"

namespace clamma {
namespace {

constexpr int64_t kMaxListed = 64;  // multiples in a range that are written out
constexpr int64_t kMaxRemainders = 1000;

// How a number's digits so far compare with those of a bound at the same places.
enum Order : uint32_t { kEqual, kLess, kGreater };

// Reads a number from left to right. Compares it with its bounds digit by digit, and keeps the
// remainder of a division.
class NumberMachine {
 public:
  struct Rules {
    const Decimal* lower = nullptr;  // nullptr: none
    const Decimal* upper = nullptr;
    uint32_t divisor = 1;
    bool has_fraction = false;
  };
  explicit NumberMachine(const Rules& rules) : rules_(rules) {
    for (const Decimal* bound : {rules.lower, rules.upper}) {
      if (bound != nullptr) most_digits_ = std::max(most_digits_, bound->n_integer);
    }
  }

  // A class for each character, and for what lies between them.
  static constexpr uint32_t kClasses[] = {0,   '-', '.', '/', '0', '1',     '2',    '3',   '4',
                                          '5', '6', '7', '8', '9', '9' + 1, 0xd800, 0xe000};

  size_t n_words() const { return sizeof(State) / sizeof(uint32_t); }
  void Start(uint32_t* state) const { Store({.phase = kStart}, state); }
  void Next(const uint32_t* state, uint32_t c, uint32_t* next) const {
    const State from = Load(state);
    const uint32_t code = kClasses[c];
    State to = {.phase = kDead};
    if (code == '-' && from.phase == kStart) {
      to = {.phase = kMinus, .is_negative = 1};
    } else if (code == '.' && rules_.has_fraction &&
               (from.phase == kZero || from.phase == kInteger)) {
      to = EndInteger(from);
      to.phase = kPoint;
    } else if (code >= '0' && code <= '9') {
      to = NextDigit(from, code - '0');
    }
    Store(to.phase == kDead ? State{.phase = kDead} : to, next);
  }
  uint32_t Label(const uint32_t* state) const {
    State s = Load(state);
    if (s.phase == kZero || s.phase == kInteger) {
      s = EndInteger(s);
    } else if (s.phase != kFraction) {
      return 0;
    }
    if (s.phase != kFraction && s.is_negative != 0 && IsZero(state) && !rules_.has_fraction) {
      return 0;  // no -0
    }
    return s.remainder == 0 && Compare(s, rules_.lower, s.lower) != kLess &&
                   Compare(s, rules_.upper, s.upper) != kGreater
               ? 1
               : 0;
  }

 private:
  enum Phase : uint32_t { kDead, kStart, kMinus, kZero, kInteger, kPoint, kFraction };
  struct State {
    uint32_t phase = kDead;
    uint32_t is_negative = 0;
    uint32_t lower = kEqual;  // Order of the magnitude
    uint32_t upper = kEqual;
    uint32_t place = 0;  // digits so far in front of the point, or behind it, as far as they count
    uint32_t remainder = 0;
  };

  static State Load(const uint32_t* words) {
    return {words[0], words[1], words[2], words[3], words[4], words[5]};
  }
  static void Store(const State& s, uint32_t* words) {
    const uint32_t all[] = {s.phase, s.is_negative, s.lower, s.upper, s.place, s.remainder};
    std::copy(all, all + 6, words);
  }
  static bool IsZero(const uint32_t* state) { return state[0] == kZero; }

  State NextDigit(const State& from, uint32_t digit) const {
    State to = from;
    const bool is_fraction = from.phase == kPoint || from.phase == kFraction;
    if (from.phase == kZero || from.phase == kDead) return {};
    to.phase = is_fraction              ? kFraction
               : from.phase == kInteger ? kInteger
               : digit == 0             ? kZero
                                        : kInteger;
    if (rules_.lower != nullptr) CompareDigit(*rules_.lower, from, is_fraction, digit, &to.lower);
    if (rules_.upper != nullptr) CompareDigit(*rules_.upper, from, is_fraction, digit, &to.upper);
    if (is_fraction) {
      const bool is_open = (rules_.lower != nullptr && to.lower == kEqual) ||
                           (rules_.upper != nullptr && to.upper == kEqual);
      to.place = is_open ? std::min(from.place + 1, uint32_t{Decimal::kMaxDigits}) : 0;
    } else {
      to.place = std::min(from.place + 1, most_digits_ + 1);
      if (to.place > most_digits_) to.lower = to.upper = kGreater;
      to.remainder = (from.remainder * 10 + digit) % rules_.divisor;
    }
    return to;
  }
  static void CompareDigit(const Decimal& bound, const State& from, bool is_fraction,
                           uint32_t digit, uint32_t* order) {
    if (*order != kEqual) return;
    const uint32_t n = is_fraction ? bound.n_fraction : bound.n_integer;
    if (!is_fraction && from.place >= n) return;  // EndInteger() sees that it is longer
    const uint32_t other =
        from.place < n ? bound.digits[(is_fraction ? bound.n_integer : 0) + from.place] : 0;
    if (digit != other) *order = digit < other ? kLess : kGreater;
  }
  // What has more digits in front of the point is greater.
  State EndInteger(const State& s) const {
    State end = s;
    for (const auto& [bound, order] :
         {std::pair{rules_.lower, &end.lower}, std::pair{rules_.upper, &end.upper}}) {
      if (bound == nullptr) {
        *order = kEqual;
      } else if (s.place != bound->n_integer) {
        *order = s.place < bound->n_integer ? kLess : kGreater;
      }
    }
    end.place = 0;
    return end;
  }
  // How the number that ends here compares with a bound.
  static uint32_t Compare(const State& s, const Decimal* bound, uint32_t magnitude) {
    if (bound == nullptr) return kEqual;
    if (!bound->is_zero() && bound->is_negative != (s.is_negative != 0)) {
      return s.is_negative != 0 ? kLess : kGreater;
    }
    const uint32_t order =
        magnitude == kEqual && s.place < bound->n_fraction ? uint32_t{kLess} : magnitude;
    if (order == kEqual || s.is_negative == 0) return order;
    return order == kLess ? kGreater : kLess;
  }

  const Rules rules_;
  uint32_t most_digits_ = 0;
};

class NumberRules {
 public:
  NumberRules(SchemaWork& work, Grammar& grammar, const SchemaShape& shape, Vec<NodeId>* choices)
      : work_(work), grammar_(grammar), nodes_(work, grammar), shape_(shape), choices_(*choices) {}

  bool Add() {
    int64_t divisor = 1;
    bool is_integer = (shape_.types & kFractionType) == 0;
    if (!FindDivisor(&divisor, &is_integer)) return false;
    if (shape_.lower.value == nullptr && shape_.upper.value == nullptr && divisor == 1) {
      return AddFree(is_integer);
    }
    return is_integer ? AddIntegers(divisor) : AddFractions();
  }

 private:
  // Refuses a keyword of the first schema that has it.
  bool Unsupported(std::string_view keyword, const char* reason) {
    size_t i = 0;
    while (i + 1 < shape_.schemas.n &&
           work_.document.Find(shape_.schemas.ids[i], keyword) == nullptr) {
      ++i;
    }
    return work_.Unsupported(shape_.schemas.ids[i], keyword, reason);
  }
  const char* LowerKeyword() const {
    return shape_.lower.is_exclusive ? "exclusiveMinimum" : "minimum";
  }
  const char* UpperKeyword() const {
    return shape_.upper.is_exclusive ? "exclusiveMaximum" : "maximum";
  }
  bool FindDivisor(int64_t* divisor, bool* is_integer);
  bool AddFree(bool is_integer);
  bool AddIntegers(int64_t divisor);
  bool AddListed(const IntegerRange& range, int64_t divisor);
  bool AddInteger(int64_t value);
  bool AddWithoutZero(IntegerRange range, int64_t divisor);
  bool AddFractions();
  bool AddMachine(const NumberMachine::Rules& rules, std::string_view zeros);

  SchemaWork& work_;
  Grammar& grammar_;
  NodeAdder nodes_;
  const SchemaShape& shape_;
  Vec<NodeId>& choices_;
};

bool NumberRules::FindDivisor(int64_t* divisor, bool* is_integer) {
  constexpr double kMaxDivisor = 4294967296.0;
  for (const Value* value : shape_.divisors) {
    const double number = value->AsFloat();
    double power = number;
    while (power < 1) power *= 2;
    if (power == 1 && number < 1) {  // integers are multiples of powers of 2
      *is_integer = true;
      continue;
    }
    if (Floor(number) != number || number > kMaxDivisor) {
      if (!Unsupported("multipleOf", "it is neither an integer up to 2^32 nor a power of 2")) {
        return false;
      }
      continue;
    }
    *is_integer = true;
    const auto factor = static_cast<int64_t>(number);
    if (__builtin_mul_overflow(*divisor / std::gcd(*divisor, factor), factor, divisor)) {
      return work_.FailLimit("multipleOf: the least common multiple is beyond 64 bits");
    }
  }
  return true;
}

bool NumberRules::AddFree(bool is_integer) {
  NodeId node = 0;
  const Status read = ParseRegex(
      is_integer ? "0|-?[1-9][0-9]*" : "-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][+\\-]?[0-9]+)?",
      {}, &grammar_, &node);
  return nodes_.Check(read) && nodes_.Push(node, &choices_);
}

bool NumberRules::AddInteger(int64_t value) {
  char text[24];
  size_t n = 0;
  const Decimal decimal = DecimalOfInteger(value);
  if (decimal.is_negative) text[n++] = '-';
  for (uint32_t i = 0; i < decimal.n_integer; ++i) {
    text[n++] = static_cast<char>('0' + decimal.digits[i]);
  }
  NodeId node = 0;
  return nodes_.Bytes({text, n}, &node) && nodes_.Push(node, &choices_);
}

// Writes out all multiples.
bool NumberRules::AddListed(const IntegerRange& range, int64_t divisor) {
  int64_t value = range.lower / divisor * divisor;
  if (value < range.lower && __builtin_add_overflow(value, divisor, &value)) return true;
  while (value <= range.upper) {
    if (!AddInteger(value)) return false;
    if (__builtin_add_overflow(value, divisor, &value)) break;
  }
  return true;
}

bool NumberRules::AddIntegers(int64_t divisor) {
  const IntegerRange range = IntegersOfShape(shape_);
  if (range.is_empty) return true;
  if (range.has_lower && range.has_upper) {
    const uint64_t width = static_cast<uint64_t>(range.upper) - static_cast<uint64_t>(range.lower);
    if (width / static_cast<uint64_t>(divisor) < kMaxListed) return AddListed(range, divisor);
  }
  const bool has_zero =
      !(range.has_lower && range.lower > 0) && !(range.has_upper && range.upper < 0);
  return (!has_zero || AddInteger(0)) && AddWithoutZero(range, divisor);
}

// A divisor's factors of 10 are zeros at the end.
bool NumberRules::AddWithoutZero(IntegerRange range, int64_t divisor) {
  char zeros[20];
  size_t n_zeros = 0;
  for (; divisor % 10 == 0; divisor /= 10) {
    zeros[n_zeros++] = '0';
    // Rounded inwards.
    const int64_t lower_rest = range.lower % 10, upper_rest = range.upper % 10;
    range.lower = range.lower / 10 + (lower_rest > 0 ? 1 : 0);
    range.upper = range.upper / 10 - (upper_rest < 0 ? 1 : 0);
  }
  if (divisor > kMaxRemainders) {
    if (!Unsupported("multipleOf", "it is too large without narrow bounds")) return false;
    divisor = 1;
  }
  // 0 has been written: the machine's range is above it, below it, or both.
  const IntegerRange above = {true, range.has_upper, std::max<int64_t>(range.lower, 1), range.upper,
                              false};
  const IntegerRange below = {range.has_lower, true, range.lower,
                              std::min<int64_t>(range.upper, -1), false};
  for (const bool is_above : {true, false}) {
    IntegerRange part = is_above ? above : below;
    if (is_above && !range.has_lower) part.lower = 1;
    if (!is_above && !range.has_upper) part.upper = -1;
    if (part.has_lower && part.has_upper && part.lower > part.upper) continue;
    const Decimal lower = DecimalOfInteger(part.lower), upper = DecimalOfInteger(part.upper);
    if (!AddMachine({.lower = part.has_lower ? &lower : nullptr,
                     .upper = part.has_upper ? &upper : nullptr,
                     .divisor = static_cast<uint32_t>(divisor)},
                    {zeros, n_zeros})) {
      return false;
    }
  }
  return true;
}

bool NumberRules::AddFractions() {
  Decimal lower, upper;
  const bool has_lower = shape_.lower.value != nullptr, has_upper = shape_.upper.value != nullptr;
  if (has_lower && !DecimalOfBound(shape_.lower, true, &lower)) {
    return Unsupported(LowerKeyword(), "the bound has too many digits") && AddFree(false);
  }
  if (has_upper && !DecimalOfBound(shape_.upper, false, &upper)) {
    return Unsupported(UpperKeyword(), "the bound has too many digits") && AddFree(false);
  }
  return AddMachine({.lower = has_lower ? &lower : nullptr,
                     .upper = has_upper ? &upper : nullptr,
                     .has_fraction = true},
                    {});
}

bool NumberRules::AddMachine(const NumberMachine::Rules& rules, std::string_view zeros) {
  NumberMachine machine(rules);
  Vec<uint32_t> classes;
  for (const uint32_t first : NumberMachine::kClasses) {
    if (!classes.Add(work_.bump, first)) return work_.FailMemory();
  }
  StringSet set;
  if (!BuildStringSet(work_, machine, classes, &set)) return false;
  if (set.is_empty()) return true;
  StringSetRules set_rules(work_, grammar_, set, 1, false);
  NodeId number = 0, end = 0, node = 0;
  return set_rules.Start() && set_rules.AddNode(0, &number) && set_rules.Finish() &&
         nodes_.Bytes(zeros, &end) && nodes_.Sequence({number, end}, &node) &&
         nodes_.Push(node, &choices_);
}

}  // namespace

bool AddNumbers(SchemaWork& work, Grammar& grammar, const SchemaShape& shape,
                Vec<NodeId>* choices) {
  if ((shape.types & (kIntegerType | kFractionType)) == 0) return true;
  return NumberRules(work, grammar, shape, choices).Add();
}

}  // namespace clamma
