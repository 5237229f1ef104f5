// SPDX-License-Identifier: MIT
#include "chat/template/value.h"

#include <cstring>

#include "platform/clock.h"
#include "platform/hash.h"

namespace clamma {
namespace {

constexpr size_t kMaxUnindexed = 8;               // keys of a dict that is searched linearly
constexpr unsigned kMaxHashedDepth = 16;          // nested tuples
constexpr unsigned kMaxComparedDepth = 64;        // nested containers
constexpr uint64_t kMaxKeyComparisons = 1 << 20;  // of elements, to compare two keys

bool Spend(uint64_t n, uint64_t* work) {
  *work = *work > n ? *work - n : 0;
  return *work > 0;
}

// Converts a float to an integer if it is a whole number that fits into int64_t.
bool WholeNumber(double value, int64_t* integer) {
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) return false;
  *integer = static_cast<int64_t>(value);
  return static_cast<double>(*integer) == value;
}

uint64_t HashBytes(uint64_t seed, const void* bytes, size_t n) {
  return SeededHash(seed, {static_cast<const char*>(bytes), n});
}

// Equal values have equal hashes.
uint64_t Hash(uint64_t seed, const Value& value, unsigned depth = 0) {
  switch (value.kind) {
    case Kind::kString:
      return HashBytes(seed, value.str->data, value.str->size);
    case Kind::kBool:
    case Kind::kInt: {
      const int64_t integer = value.AsInt();
      return HashBytes(seed, &integer, sizeof(integer));
    }
    case Kind::kFloat: {
      int64_t integer = 0;
      if (WholeNumber(value.real, &integer)) return HashBytes(seed, &integer, sizeof(integer));
      return HashBytes(seed, &value.real, sizeof(value.real));
    }
    case Kind::kTuple: {
      uint64_t hash = value.list->size;
      if (depth >= kMaxHashedDepth) return hash;
      for (size_t i = 0; i < value.list->size; ++i) {
        hash = hash * 1099511628211u + Hash(seed, value.list->items[i], depth + 1);
      }
      return hash;
    }
    default:
      return static_cast<uint64_t>(value.kind);
  }
}

bool KeysEqual(const Value& a, const Value& b) {
  uint64_t work = kMaxKeyComparisons;
  return Equal(a, b, &work);
}

// The slot of a key, or the free slot for it.
uint32_t* FindSlot(const Dict& dict, const Value& key) {
  size_t i = static_cast<size_t>(Hash(dict.seed, key)) & (dict.n_slots - 1);
  while (dict.slots[i] != 0 && !KeysEqual(dict.keys[dict.slots[i] - 1], key)) {
    i = (i + 1) & (dict.n_slots - 1);
  }
  return &dict.slots[i];
}

size_t FindIndex(const Dict& dict, const Value& key) {
  if (dict.slots != nullptr) {
    const uint32_t slot = *FindSlot(dict, key);
    return slot == 0 ? dict.size : slot - 1;
  }
  for (size_t i = 0; i < dict.size; ++i) {
    if (KeysEqual(dict.keys[i], key)) return i;
  }
  return dict.size;
}

bool Grow(Bump& bump, Dict& dict) {
  const size_t capacity = dict.capacity == 0 ? 4 : 2 * dict.capacity;
  auto* const keys = bump.New<Value>(capacity);
  auto* const values = bump.New<Value>(capacity);
  if (keys == nullptr || values == nullptr || capacity > UINT32_MAX / 4) return false;
  for (size_t i = 0; i < dict.size; ++i) {
    keys[i] = dict.keys[i];
    values[i] = dict.values[i];
  }
  dict.keys = keys;
  dict.values = values;
  dict.capacity = capacity;
  if (capacity <= kMaxUnindexed) return true;
  dict.n_slots = 2 * capacity;
  if (dict.seed == 0) dict.seed = SeedFromClock();
  dict.slots = bump.New<uint32_t>(dict.n_slots);
  if (dict.slots == nullptr) return false;
  for (size_t i = 0; i < dict.size; ++i) {
    *FindSlot(dict, keys[i]) = static_cast<uint32_t>(i + 1);
  }
  return true;
}

// A key that is valid only during a lookup.
Value BorrowedString(Str* str, std::string_view text) {
  *str = Str{text.data(), nullptr, text.size(), nullptr, Origin::kTemplate, false};
  return Value::String(str);
}

bool EqualLists(const List& a, const List& b, uint64_t* work, unsigned depth) {
  if (a.size != b.size) return false;
  for (size_t i = 0; i < a.size; ++i) {
    if (!Equal(a.items[i], b.items[i], work, depth + 1)) return false;
  }
  return true;
}

bool EqualDicts(const Dict& a, const Dict& b, uint64_t* work, unsigned depth) {
  if (a.size != b.size) return false;
  for (size_t i = 0; i < a.size; ++i) {
    const Value* const other = DictFind(b, a.keys[i]);
    if (other == nullptr || !Equal(a.values[i], *other, work, depth + 1)) return false;
  }
  return true;
}

}  // namespace

Value Value::None() {
  Value value;
  value.kind = Kind::kNone;
  return value;
}

Value Value::Bool(bool b) {
  Value value;
  value.kind = Kind::kBool;
  value.boolean = b;
  return value;
}

Value Value::Int(int64_t i) {
  Value value;
  value.kind = Kind::kInt;
  value.integer = i;
  return value;
}

Value Value::Float(double d) {
  Value value;
  value.kind = Kind::kFloat;
  value.real = d;
  return value;
}

Value Value::String(const Str* s) {
  Value value;
  value.kind = Kind::kString;
  value.str = s;
  return value;
}

Value Value::Of(Kind kind, List* l) {
  Value value;
  value.kind = kind;
  value.list = l;
  return value;
}

Value Value::Of(Kind kind, Dict* d) {
  Value value;
  value.kind = kind;
  value.dict = d;
  return value;
}

Str* NewStrNoCopy(Bump& bump, std::string_view text, Origin origin) {
  auto* const str = bump.New<Str>();
  if (str != nullptr) *str = Str{text.data(), nullptr, text.size(), nullptr, origin, false};
  return str;
}

Str* NewStr(Bump& bump, std::string_view text, Origin origin) {
  auto* const copy = bump.New<char>(text.size());
  if (copy == nullptr) return nullptr;
  if (!text.empty()) std::memcpy(copy, text.data(), text.size());
  return NewStrNoCopy(bump, {copy, text.size()}, origin);
}

Str* NewPart(Bump& bump, const Str& text, size_t begin, size_t end) {
  auto* const str = bump.New<Str>();
  if (str == nullptr) return nullptr;
  *str = text;
  str->data = text.data + begin;
  str->size = end - begin;
  if (text.origins != nullptr) str->origins = text.origins + begin;
  return str;
}

List* NewList(Bump& bump, size_t size) {
  auto* const list = bump.New<List>();
  auto* const items = bump.New<Value>(size);
  if (list == nullptr || items == nullptr) return nullptr;
  *list = List{items, size, 0};
  return list;
}

Dict* NewDict(Bump& bump) { return bump.New<Dict>(); }

bool DictSet(Bump& bump, Dict& dict, const Value& key, const Value& value) {
  const size_t found = FindIndex(dict, key);
  if (found < dict.size) {
    dict.values[found] = value;
    return true;
  }
  if (dict.size == dict.capacity && !Grow(bump, dict)) return false;
  dict.keys[dict.size] = key;
  dict.values[dict.size] = value;
  ++dict.size;
  if (dict.slots != nullptr) *FindSlot(dict, key) = static_cast<uint32_t>(dict.size);
  return true;
}

bool DictSet(Bump& bump, Dict& dict, std::string_view key, const Value& value) {
  const Str* const str = NewStr(bump, key, Origin::kTemplate);
  return str != nullptr && DictSet(bump, dict, Value::String(str), value);
}

const Value* DictFind(const Dict& dict, const Value& key) {
  const size_t i = FindIndex(dict, key);
  return i < dict.size ? &dict.values[i] : nullptr;
}

const Value* DictFind(const Dict& dict, std::string_view key) {
  Str str;
  return DictFind(dict, BorrowedString(&str, key));
}

bool IsHashable(const Value& value, uint64_t* work, unsigned depth) {
  if (!Spend(1, work)) return false;
  switch (value.kind) {
    case Kind::kString:
      return Spend(value.str->size / 64, work);
    case Kind::kList:
    case Kind::kDict:
      return false;
    case Kind::kTuple:
      if (depth >= kMaxHashedDepth) return false;
      for (size_t i = 0; i < value.list->size; ++i) {
        if (!IsHashable(value.list->items[i], work, depth + 1)) return false;
      }
      return true;
    default:
      return true;
  }
}

int CompareNumbers(const Value& a, const Value& b) {
  if (a.IsIntegral() && b.IsIntegral()) {
    return a.AsInt() < b.AsInt() ? -1 : a.AsInt() > b.AsInt() ? 1 : 0;
  }
  if (a.Is(Kind::kFloat) && b.Is(Kind::kFloat)) {
    return a.real < b.real ? -1 : a.real > b.real ? 1 : a.real == b.real ? 0 : 2;
  }
  if (a.Is(Kind::kFloat)) {
    const int turned = CompareNumbers(b, a);
    return turned == 2 ? 2 : -turned;
  }
  // Compare an integer and a float exactly.
  if (!(b.real == b.real)) return 2;
  if (b.real >= 9223372036854775808.0) return -1;
  if (b.real < -9223372036854775808.0) return 1;
  const auto whole = static_cast<int64_t>(b.real);  // towards 0
  if (a.AsInt() != whole) return a.AsInt() < whole ? -1 : 1;
  const double rest = b.real - static_cast<double>(whole);
  return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

bool Equal(const Value& a, const Value& b, uint64_t* work, unsigned depth) {
  if (*work == 0 || depth > kMaxComparedDepth) {
    *work = 0;
    return false;
  }
  --*work;
  if (a.IsNumber() && b.IsNumber()) return CompareNumbers(a, b) == 0;
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return a.str->size == b.str->size && Spend(a.str->size / 64, work) &&
             a.str->view() == b.str->view();
    case Kind::kList:
    case Kind::kTuple:
      return a.list == b.list || EqualLists(*a.list, *b.list, work, depth);
    case Kind::kDict:
      return a.dict == b.dict || EqualDicts(*a.dict, *b.dict, work, depth);
    case Kind::kRange:
      return a.range->size == b.range->size &&
             (a.range->size == 0 || (a.range->start == b.range->start &&
                                     (a.range->size == 1 || a.range->step == b.range->step)));
    case Kind::kFunction:
      return a.detail == b.detail;
    default:
      return a.list == b.list;  // the same object
  }
}

const char* TypeName(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kRange:
      return "range";
    case Kind::kGenerator:
      return "generator";
    case Kind::kView:
      return "view of a dict";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kMacro:
      return "Macro";
    case Kind::kFunction:
    case Kind::kMethod:
      return "function";
    case Kind::kCycler:
      return "Cycler";
    case Kind::kJoiner:
      return "Joiner";
  }
  return "object";
}

}  // namespace clamma
