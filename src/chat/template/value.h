// SPDX-License-Identifier: MIT
// The values of templates: those of Python that templates use. All are allocated in a Bump and
// freed with it. They are immutable, except for namespaces, dicts under construction, and
// iterators.
#ifndef CLAMMA_CHAT_TEMPLATE_VALUE_H_
#define CLAMMA_CHAT_TEMPLATE_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/template/bump.h"

namespace clamma {

// The origin of a text's bytes: the template, whose bytes may be control tokens, or the caller,
// whose bytes are data. A mixed text has an origin for each byte.
enum class Origin : uint8_t { kTemplate, kCaller };

// Bytes that several Str share. A text at the end of the buffer can be appended to in place.
struct StrBuffer {
  char* data;
  uint8_t* origins;
  size_t used;
  size_t capacity;
};

// A Python str, in UTF-8; a byte that is not UTF-8 counts as a character.
struct Str {
  const char* data;
  const uint8_t* origins;  // an Origin for each byte; nullptr: all have `origin`
  size_t size;             // bytes
  StrBuffer* buffer;       // nullptr if the bytes are not shared
  Origin origin;
  bool is_safe;  // markupsafe's Markup, which the filter `safe` makes

  std::string_view view() const { return {data, size}; }
  Origin OriginOf(size_t i) const {
    return origins == nullptr ? origin : static_cast<Origin>(origins[i]);
  }
};

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kNamespace,
  kRange,
  kGenerator,  // the result of map(), select() and so on: can be iterated over once
  kView,       // dict.keys(), .values(), .items()
  kLoop,
  kMacro,
  kFunction,  // range, namespace, raise_exception and so on
  kMethod,    // of a string, a list, a dict, a loop
  kCycler,
  kJoiner,
};

struct List;
struct Dict;
struct Range;
struct Loop;
struct Macro;
struct Method;
struct Cycler;
struct Joiner;

// Why a value is undefined: the message if the template uses it.
struct Missing {
  std::string_view name;
  enum class Reason : uint8_t { kName, kAttribute, kElement, kUnsafe, kNoElse, kOther } reason;
  Kind owner;  // of the attribute or element
};

struct Value {
  Kind kind = Kind::kUndefined;
  uint8_t detail = 0;  // kFunction: which function; kView: which part of the dict
  union {
    const Missing* missing = nullptr;  // kUndefined; may be nullptr
    bool boolean;
    int64_t integer;
    double real;
    const Str* str;
    List* list;  // kList, kTuple, kGenerator, kView
    Dict* dict;  // kDict, kNamespace
    const Range* range;
    Loop* loop;
    const Macro* macro;
    const Method* method;
    Cycler* cycler;
    Joiner* joiner;
  };

  static Value None();
  static Value Bool(bool b);
  static Value Int(int64_t i);
  static Value Float(double d);
  static Value String(const Str* s);
  static Value Of(Kind kind, List* l);  // kList, kTuple, kGenerator, kView
  static Value Of(Kind kind, Dict* d);  // kDict, kNamespace

  bool Is(Kind k) const { return kind == k; }
  bool IsNumber() const { return Is(Kind::kInt) || Is(Kind::kFloat) || Is(Kind::kBool); }
  bool IsIntegral() const { return Is(Kind::kInt) || Is(Kind::kBool); }
  // AsInt() needs a kInt or kBool; AsFloat() also accepts a kFloat.
  int64_t AsInt() const { return Is(Kind::kBool) ? (boolean ? 1 : 0) : integer; }
  double AsFloat() const { return Is(Kind::kFloat) ? real : static_cast<double>(AsInt()); }
};

struct List {
  Value* items;
  size_t size;
  size_t used;  // kGenerator: the number of consumed items
};

struct Range {
  int64_t start;
  int64_t step;
  int64_t size;
};

// Keys are in order of insertion.
struct Dict {
  Value* keys;
  Value* values;
  size_t size;
  size_t capacity;
  uint32_t* slots;  // a hash table of indices + 1, once there are many keys
  size_t n_slots;
  uint64_t seed;  // of the hashes
};

// These functions return nullptr or false if the bump has no memory left.

Str* NewStr(Bump& bump, std::string_view text, Origin origin);        // copies the text
Str* NewStrNoCopy(Bump& bump, std::string_view text, Origin origin);  // the text must outlive it
Str* NewPart(Bump& bump, const Str& text, size_t begin, size_t end);  // shares the bytes
List* NewList(Bump& bump, size_t size);
Dict* NewDict(Bump& bump);

// Adds or replaces a value. The key must be hashable.
bool DictSet(Bump& bump, Dict& dict, const Value& key, const Value& value);
bool DictSet(Bump& bump, Dict& dict, std::string_view key, const Value& value);
// Returns nullptr if the key is not there.
const Value* DictFind(const Dict& dict, const Value& key);
const Value* DictFind(const Dict& dict, std::string_view key);

// Whether the value can be a key: not a list or dict, nor a tuple of them. Subtracts the cost of
// hashing the value from *work; if that is not enough, *work becomes 0 and the result is false.
bool IsHashable(const Value& value, uint64_t* work, unsigned depth = 0);

// Python's ==. Subtracts 1 from *work for each compared element. If that is not enough, or if
// containers are nested deeper than 64, *work becomes 0 and the result is meaningless.
bool Equal(const Value& a, const Value& b, uint64_t* work, unsigned depth = 0);
// Compares numbers: -1, 0, 1; 2 if one is NaN.
int CompareNumbers(const Value& a, const Value& b);

const char* TypeName(const Value& value);  // the name of Python's type

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_VALUE_H_
