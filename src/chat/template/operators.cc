// SPDX-License-Identifier: MIT
#include <cstring>

#include "chat/template/decimal.h"
#include "chat/template/interpreter.h"
#include "chat/template/unicode.h"

namespace clamma {
namespace {

constexpr char kTooLarge[] = "integers beyond 64 bits are not supported";

// Clamps a slice's index to [low, high], like Python's PySlice_AdjustIndices().
int64_t Clamp(int64_t index, int64_t length, int64_t low, int64_t high) {
  if (index < 0) index += length;
  return index < low ? low : index > high ? high : index;
}

}  // namespace

bool Interpreter::Truth(const Value& value, bool* result) {
  switch (value.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      *result = false;
      return true;
    case Kind::kBool:
      *result = value.boolean;
      return true;
    case Kind::kInt:
      *result = value.integer != 0;
      return true;
    case Kind::kFloat:
      *result = value.real != 0;
      return true;
    case Kind::kString:
      *result = value.str->size > 0;
      return true;
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      *result = value.list->size > 0;
      return true;
    case Kind::kDict:
      *result = value.dict->size > 0;
      return true;
    case Kind::kRange:
      *result = value.range->size > 0;
      return true;
    default:  // an object
      *result = true;
      return true;
  }
}

bool Interpreter::TestEqual(const Value& a, const Value& b, bool* result) {
  const uint64_t given = options_.limits.max_steps - steps_ + 1;
  uint64_t work = given;
  *result = Equal(a, b, &work);
  return Step(given - work);  // fails if the work was not enough
}

bool Interpreter::IsKey(const Value& value, bool* result) {
  const uint64_t given = options_.limits.max_steps - steps_ + 1;
  uint64_t work = given;
  *result = IsHashable(value, &work);
  return Step(given - work);
}

bool Interpreter::CheckKey(const Value& value) {
  bool is_key = false;
  if (!IsKey(value, &is_key)) return false;
  return is_key || FailType("a value that can be hashed is expected", value);
}

bool Interpreter::Order(const Value& a, const Value& b, int* order, unsigned depth) {
  if (a.Is(Kind::kUndefined)) return FailUndefined(a);
  if (b.Is(Kind::kUndefined)) return FailUndefined(b);
  if (a.IsNumber() && b.IsNumber()) {
    *order = CompareNumbers(a, b);
    return true;
  }
  if (a.Is(Kind::kString) && b.Is(Kind::kString)) {
    const size_t n = a.str->size < b.str->size ? a.str->size : b.str->size;
    const int bytes = n == 0 ? 0 : std::memcmp(a.str->data, b.str->data, n);
    const int sizes = a.str->size < b.str->size ? -1 : a.str->size > b.str->size ? 1 : 0;
    *order = bytes != 0 ? (bytes < 0 ? -1 : 1) : sizes;
    return StepText(n);
  }
  const bool are_lists = a.kind == b.kind && (a.Is(Kind::kList) || a.Is(Kind::kTuple));
  if (!are_lists) return FailType("these values have no order: a number or text is expected", b);
  constexpr unsigned kMaxOrderDepth = 16;
  if (depth == kMaxOrderDepth) return Fail("values are nested too deeply to be compared");
  for (size_t i = 0; i < a.list->size && i < b.list->size; ++i) {
    bool is_equal = false;
    if (!TestEqual(a.list->items[i], b.list->items[i], &is_equal)) return false;
    if (!is_equal) return Order(a.list->items[i], b.list->items[i], order, depth + 1);
  }
  *order = a.list->size < b.list->size ? -1 : a.list->size > b.list->size ? 1 : 0;
  return true;
}

bool Interpreter::Contains(const Value& container, const Value& item, bool* result) {
  *result = false;
  if (container.Is(Kind::kUndefined)) return true;
  if (container.Is(Kind::kString)) {
    if (!item.Is(Kind::kString)) return FailType("a text is expected before 'in'", item);
    size_t at = 0;
    return FindText(container.str->view(), item.str->view(), 0, &at, result);
  }
  if (container.Is(Kind::kDict)) {
    if (!CheckKey(item)) return false;
    *result = DictFind(*container.dict, item) != nullptr;
    return true;
  }
  const Value* items = nullptr;
  size_t n = 0;
  if (!Items(container, &items, &n)) return false;
  for (size_t i = 0; i < n && !*result; ++i) {
    if (!TestEqual(items[i], item, result)) return false;
  }
  return true;
}

bool Interpreter::CharactersOf(const Str& text, const Value** items, size_t* n) {
  *n = CountCharacters(text.view());
  if (!Step(*n)) return false;
  auto* const characters = bump_.New<Value>(*n);
  if (characters == nullptr) return FailMemory();
  *items = characters;
  size_t i = 0;
  for (size_t k = 0; k < *n; ++k) {
    const size_t length = CharacterAt(text.view(), i).length;
    Str* const character = NewPart(bump_, text, i, i + length);
    if (character == nullptr) return FailMemory();
    character->is_safe = false;
    characters[k] = Value::String(character);
    i += length;
  }
  return true;
}

// The items of iterating over a value.
bool Interpreter::Items(const Value& value, const Value** items, size_t* n) {
  switch (value.kind) {
    case Kind::kUndefined:
      *n = 0;
      return true;
    case Kind::kString:
      return CharactersOf(*value.str, items, n);
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      *items = value.list->items;
      *n = value.list->size;
      return true;
    case Kind::kGenerator:
      *items = value.list->items + value.list->used;
      *n = value.list->size - value.list->used;
      value.list->used = value.list->size;
      return true;
    case Kind::kDict:
      *items = value.dict->keys;
      *n = value.dict->size;
      return true;
    case Kind::kRange: {
      auto* const numbers = bump_.New<Value>(static_cast<uint64_t>(value.range->size));
      if (numbers == nullptr) return FailMemory();
      *items = numbers;
      *n = static_cast<size_t>(value.range->size);
      for (size_t i = 0; i < *n; ++i) {
        numbers[i] = Value::Int(value.range->start + static_cast<int64_t>(i) * value.range->step);
      }
      return Step(*n);
    }
    default:
      return FailType("a value that can be iterated over is expected", value);
  }
}

bool Interpreter::Length(const Value& value, int64_t* length) {
  switch (value.kind) {
    case Kind::kUndefined:
      *length = 0;
      return true;
    case Kind::kString:
      *length = static_cast<int64_t>(CountCharacters(value.str->view()));
      return StepText(value.str->size);
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      *length = static_cast<int64_t>(value.list->size);
      return true;
    case Kind::kDict:
      *length = static_cast<int64_t>(value.dict->size);
      return true;
    case Kind::kRange:
      *length = value.range->size;
      return true;
    case Kind::kLoop:
      return LoopLength(value.loop, length);
    default:
      return FailType("a value that has a length is expected", value);
  }
}

// --- Arithmetic ---

// An unsafe text that is added to a safe one is escaped (markupsafe).
bool Interpreter::AddStrings(const Str& a, const Str& b, Value* out) {
  if (a.size > options_.limits.max_output - (b.size < options_.limits.max_output ? b.size : 0) ||
      b.size > options_.limits.max_output) {
    return Fail("a text has more than %zu bytes, the limit", options_.limits.max_output);
  }
  const Str* left = &a;
  const Str* right = &b;
  const Arguments none{nullptr, 0, nullptr, nullptr, 0};
  Value escaped;
  if (a.is_safe != b.is_safe) {
    if (!FilterEscape(Value::String(a.is_safe ? &b : &a), none, &escaped)) return false;
    (a.is_safe ? right : left) = escaped.str;
  }
  Str* const sum = Concatenate(bump_, *left, *right);
  if (sum == nullptr) return FailMemory();
  sum->is_safe = a.is_safe || b.is_safe;
  *out = Value::String(sum);
  return StepText(b.size);
}

bool Interpreter::Add(const Value& a, const Value& b, Value* out) {
  if (a.Is(Kind::kString) && b.Is(Kind::kString)) return AddStrings(*a.str, *b.str, out);
  const bool are_lists = a.kind == b.kind && (a.Is(Kind::kList) || a.Is(Kind::kTuple));
  if (!are_lists) return Arithmetic(TokenKind::kAdd, a, b, out);
  List* const list = NewList(bump_, a.list->size + b.list->size);
  if (list == nullptr) return FailMemory();
  for (size_t i = 0; i < a.list->size; ++i) list->items[i] = a.list->items[i];
  for (size_t i = 0; i < b.list->size; ++i) list->items[a.list->size + i] = b.list->items[i];
  *out = Value::Of(a.kind, list);
  return Step(list->size / 4);
}

bool Interpreter::Repeat(const Value& a, int64_t n, Value* out) {
  const uint64_t times = n < 0 ? 0 : static_cast<uint64_t>(n);
  uint64_t size = 0;
  const size_t unit = a.Is(Kind::kString) ? a.str->size : a.list->size;
  if (!CheckedMultiply(times, unit, &size) || size > options_.limits.max_output) {
    return Fail("a text or list has more than %zu elements, the limit", options_.limits.max_output);
  }
  if (!Step(size / 16 + 1)) return false;
  if (a.Is(Kind::kString)) {
    TextBuilder text(bump_, options_.limits.max_output);
    for (uint64_t i = 0; i < times && unit > 0; ++i) text.Add(*a.str);
    return NewText(&text, out);
  }
  List* const list = NewList(bump_, static_cast<size_t>(size));
  if (list == nullptr) return FailMemory();
  for (size_t i = 0; i < list->size; ++i) list->items[i] = a.list->items[i % unit];
  *out = Value::Of(a.kind, list);
  return true;
}

bool Interpreter::Arithmetic(TokenKind op, const Value& a, const Value& b, Value* out) {
  if (a.Is(Kind::kString) && op == TokenKind::kMod) return FormatPercent(*a.str, b, out);
  if (a.Is(Kind::kUndefined)) return FailUndefined(a);
  if (b.Is(Kind::kUndefined)) return FailUndefined(b);
  const auto repeats = [](const Value& v) {
    return v.Is(Kind::kString) || v.Is(Kind::kList) || v.Is(Kind::kTuple);
  };
  if (op == TokenKind::kMul && repeats(a) && b.IsIntegral()) return Repeat(a, b.AsInt(), out);
  if (op == TokenKind::kMul && repeats(b) && a.IsIntegral()) return Repeat(b, a.AsInt(), out);
  if (!a.IsNumber()) return FailType("this operation needs a number here", a);
  if (!b.IsNumber()) return FailType("this operation needs a number here", b);
  if (op == TokenKind::kPow) return Power(a, b, out);
  if (a.IsIntegral() && b.IsIntegral() && op != TokenKind::kDiv) {
    return IntArithmetic(op, a.AsInt(), b.AsInt(), out);
  }
  return FloatArithmetic(op, a.AsFloat(), b.AsFloat(), out);
}

bool Interpreter::IntArithmetic(TokenKind op, int64_t a, int64_t b, Value* out) {
  int64_t result = 0;
  bool overflows = false;
  switch (op) {
    case TokenKind::kAdd:
      overflows = __builtin_add_overflow(a, b, &result);
      break;
    case TokenKind::kSub:
      overflows = __builtin_sub_overflow(a, b, &result);
      break;
    case TokenKind::kMul:
      overflows = __builtin_mul_overflow(a, b, &result);
      break;
    default: {  // rounded down, the remainder with the divisor's sign
      if (b == 0) return Fail("division by zero");
      if (b == -1) {
        overflows = op == TokenKind::kFloorDiv && __builtin_sub_overflow(int64_t{0}, a, &result);
        break;
      }
      const int64_t rest = a % b;
      const bool crosses = rest != 0 && (rest < 0) != (b < 0);
      result = op == TokenKind::kMod ? (crosses ? rest + b : rest) : a / b - (crosses ? 1 : 0);
      break;
    }
  }
  *out = Value::Int(result);
  return !overflows || Fail(kTooLarge);
}

bool Interpreter::FloatArithmetic(TokenKind op, double a, double b, Value* out) {
  double result = 0;
  switch (op) {
    case TokenKind::kAdd:
      result = a + b;
      break;
    case TokenKind::kSub:
      result = a - b;
      break;
    case TokenKind::kMul:
      result = a * b;
      break;
    case TokenKind::kDiv:
      if (b == 0) return Fail("division by zero");
      result = a / b;
      break;
    default: {  // Python's float_divmod()
      if (b == 0) return Fail("division by zero");
      double rest = Remainder(a, b);
      double quotient = (a - rest) / b;
      if (rest != 0 && (b < 0) != (rest < 0)) {
        rest += b;
        quotient -= 1;
      } else if (rest == 0) {
        rest = b < 0 ? -0.0 : 0.0;
      }
      if (op == TokenKind::kMod) {
        result = rest;
      } else if (quotient == 0) {
        result = (a < 0) != (b < 0) ? -0.0 : 0.0;
      } else {
        const double floor = Floor(quotient);
        result = quotient - floor > 0.5 ? floor + 1 : floor;
      }
      break;
    }
  }
  *out = Value::Float(result);
  return true;
}

// Supports exact powers of integers, and those that take a single rounding. The pow() of C
// libraries differs between machines, and no template needs it.
bool Interpreter::Power(const Value& a, const Value& b, Value* out) {
  constexpr char kUnsupported[] = "powers with this exponent are not supported";
  constexpr int64_t kExact = int64_t{1} << 53;  // integers up to here are doubles
  if (!b.IsIntegral()) return Fail(kUnsupported);
  const int64_t exponent = b.AsInt();
  if (a.Is(Kind::kFloat)) {
    if (exponent < -1 || exponent > 2) return Fail(kUnsupported);
    if (exponent < 0 && a.real == 0) return Fail("zero to a negative power");
    *out = Value::Float(exponent < 0 ? 1 / a.real : exponent == 0 ? 1 : a.real);
    if (exponent == 2) out->real *= a.real;
    return true;
  }
  const int64_t base = a.AsInt();
  if (base == 0 && exponent < 0) return Fail("zero to a negative power");
  int64_t result = 1;
  if (base == 0 || base == 1 || base == -1) {
    result = exponent == 0 || (base < 0 && exponent % 2 == 0) ? 1 : base;
  } else {
    if (exponent < -64 || exponent > 64) return Fail(kTooLarge);
    for (int64_t i = exponent < 0 ? -exponent : exponent; i > 0; --i) {
      if (__builtin_mul_overflow(result, base, &result)) return Fail(kTooLarge);
    }
  }
  *out = Value::Int(result);
  if (exponent >= 0) return true;
  if (result > kExact || result < -kExact) return Fail(kUnsupported);
  *out = Value::Float(1 / static_cast<double>(result));
  return true;
}

// Each byte that is compared counts as work.
bool Interpreter::FindText(std::string_view text, std::string_view part, size_t from, size_t* at,
                           bool* found) {
  *found = part.empty() && from <= text.size();
  *at = from;
  if (part.empty() || part.size() > text.size()) return true;
  size_t work = 0;
  for (size_t i = from; i + part.size() <= text.size(); ++i) {
    const void* const hit = std::memchr(text.data() + i, part[0], text.size() - i);
    if (hit == nullptr) break;
    i = static_cast<size_t>(static_cast<const char*>(hit) - text.data());
    if (i + part.size() > text.size()) break;
    size_t k = 1;
    while (k < part.size() && text[i + k] == part[k]) ++k;
    work += k;
    if (k == part.size()) {
      *at = i;
      *found = true;
      return StepText(work + i - from);
    }
    if (work > (1 << 20)) {
      if (!StepText(work)) return false;
      work = 0;
    }
  }
  return StepText(work + text.size() - from);
}

// --- Attributes and elements ---

// Finds an attribute as Python's getattr() does.
bool Interpreter::FindAttribute(const Value& object, std::string_view name, Value* out,
                                bool* found) {
  *found = true;
  if (name.size() > 4 && name[0] == '_' && name[1] == '_' && name[name.size() - 1] == '_' &&
      !object.Is(Kind::kNamespace)) {
    return NewMissing(name, Missing::Reason::kUnsafe, object.kind, out);
  }
  switch (object.kind) {
    case Kind::kString:
      return FindStringMethod(object, name, out, found);
    case Kind::kDict:
      return FindDictMethod(object, name, out, found);
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange:
      return FindListMethod(object, name, out, found);
    case Kind::kNamespace: {
      const Value* const value = DictFind(*object.dict, name);
      *found = value != nullptr;
      if (*found) *out = *value;
      return true;
    }
    case Kind::kLoop:
      return LoopAttribute(object.loop, name, out, found);
    case Kind::kMacro: {
      *found = name == "name" && object.macro->node->name != nullptr;
      if (*found) *out = Value::String(object.macro->node->name);
      return true;
    }
    case Kind::kCycler:
      if (name == "next") return NewMethod(object, &Interpreter::CyclerNext, out);
      if (name == "reset") return NewMethod(object, &Interpreter::CyclerReset, out);
      *found = name == "current";
      if (*found) *out = object.cycler->items->items[object.cycler->at];
      return true;
    default:
      *found = false;
      return true;
  }
}

// object.name
bool Interpreter::GetAttribute(const Value& object, const Str& name, Value* out) {
  bool found = false;
  if (object.Is(Kind::kUndefined) && name.view() != "__class__") return FailUndefined(object);
  if (!FindAttribute(object, name.view(), out, &found)) return false;
  if (found) return true;
  const Value* const value = object.Is(Kind::kDict) ? DictFind(*object.dict, name.view()) : nullptr;
  if (value == nullptr) {
    return NewMissing(name.view(), Missing::Reason::kAttribute, object.kind, out);
  }
  *out = *value;
  return true;
}

// Finds the element at an index; a negative index counts from the end.
bool Interpreter::ElementAt(const Value& object, int64_t index, Value* out, bool* found) {
  *found = false;
  if (!object.Is(Kind::kString) && !object.Is(Kind::kList) && !object.Is(Kind::kTuple) &&
      !object.Is(Kind::kRange)) {
    return true;
  }
  int64_t length = 0;
  if (!Length(object, &length)) return false;
  if (index < 0) index += length;
  if (index < 0 || index >= length) return true;
  *found = true;
  if (object.Is(Kind::kRange)) {
    *out = Value::Int(object.range->start + index * object.range->step);
    return true;
  }
  if (!object.Is(Kind::kString)) {
    *out = object.list->items[index];
    return true;
  }
  const std::string_view text = object.str->view();
  const size_t i = ByteOfCharacter(text, static_cast<size_t>(index));
  return NewTextPart(*object.str, i, i + CharacterAt(text, i).length, out);
}

// object[index]
bool Interpreter::GetElement(const Value& object, const Value& index, Value* out) {
  if (object.Is(Kind::kUndefined)) return FailUndefined(object);
  bool found = false, is_key = false;
  if (object.Is(Kind::kDict) && !IsKey(index, &is_key)) return false;
  if (is_key) {
    const Value* const value = DictFind(*object.dict, index);
    if (value != nullptr) {
      *out = *value;
      return true;
    }
  } else if (index.IsIntegral()) {
    if (!ElementAt(object, index.AsInt(), out, &found)) return false;
    if (found) return true;
  }
  if (index.Is(Kind::kString)) {
    if (!FindAttribute(object, index.str->view(), out, &found)) return false;
    if (found) return true;
    return NewMissing(index.str->view(), Missing::Reason::kAttribute, object.kind, out);
  }
  return NewMissing("", Missing::Reason::kElement, object.kind, out);
}

bool Interpreter::Slice(const Value& object, const Value& start, const Value& stop,
                        const Value& step, Value* out) {
  if (!object.Is(Kind::kString) && !object.Is(Kind::kList) && !object.Is(Kind::kTuple)) {
    return FailType("a slice needs a text or a list", object);
  }
  int64_t by = 1, length = 0;
  if (!step.Is(Kind::kNone) && !ToIndex(step, &by)) return false;
  if (by == 0) return Fail("the step of a slice is 0");
  if (!Length(object, &length)) return false;
  by = by > length ? length + 1 : by < -length ? -length - 1 : by;  // same result, no overflow
  const int64_t low = by > 0 ? 0 : -1, high = by > 0 ? length : length - 1;
  int64_t first = by > 0 ? low : high, last = by > 0 ? high : low;
  if (!start.Is(Kind::kNone)) {
    if (!ToIndex(start, &first)) return false;
    first = Clamp(first, length, low, high);
  }
  if (!stop.Is(Kind::kNone)) {
    if (!ToIndex(stop, &last)) return false;
    last = Clamp(last, length, low, high);
  }
  int64_t n = 0;
  if (by > 0 && first < last) n = (last - first - 1) / by + 1;
  if (by < 0 && first > last) n = (first - last - 1) / -by + 1;
  if (!Step(static_cast<uint64_t>(n) / 16)) return false;
  if (object.Is(Kind::kString)) return SliceText(*object.str, first, by, n, out);
  List* const list = NewList(bump_, static_cast<size_t>(n));
  if (list == nullptr) return FailMemory();
  for (int64_t i = 0; i < n; ++i) list->items[i] = object.list->items[first + i * by];
  *out = Value::Of(object.kind, list);
  return true;
}

bool Interpreter::SliceText(const Str& text, int64_t first, int64_t step, int64_t n, Value* out) {
  if (n == 0) return NewTextCopy({}, out);
  const std::string_view bytes = text.view();
  if (step == 1) {
    const size_t begin = ByteOfCharacter(bytes, static_cast<size_t>(first));
    const std::string_view rest(bytes.data() + begin, bytes.size() - begin);
    return NewTextPart(text, begin, begin + ByteOfCharacter(rest, static_cast<size_t>(n)), out);
  }
  const Value* characters = nullptr;
  size_t count = 0;
  if (!CharactersOf(text, &characters, &count)) return false;
  TextBuilder result(bump_, options_.limits.max_output);
  for (int64_t i = 0; i < n; ++i) {
    // There are n of them. NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
    result.Add(*characters[first + i * step].str);
  }
  return NewText(&result, out);
}

bool Interpreter::IsPlainPath(const Value& path) {
  return path.IsIntegral() || path.Is(Kind::kString);
}

// Follows a path such as "a.b.0", as filters accept it.
bool Interpreter::GetPath(const Value& object, const Value& path, Value* out) {
  if (!path.Is(Kind::kString)) return GetElement(object, path, out);
  const std::string_view names = path.str->view();
  *out = object;
  for (size_t begin = 0; begin <= names.size();) {
    size_t end = begin;
    bool is_number = true;
    int64_t number = 0;
    for (; end < names.size() && names[end] != '.'; ++end) {
      is_number = is_number && names[end] >= '0' && names[end] <= '9' && end - begin < 18;
      if (is_number) number = number * 10 + (names[end] - '0');
    }
    const Value from = *out;
    Value index = Value::Int(number);
    if ((!is_number || end == begin) && !NewTextPart(*path.str, begin, end, &index)) return false;
    if (!GetElement(from, index, out)) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace clamma
