// SPDX-License-Identifier: MIT
// The values that templates work with: Python's, as far as templates use them. All lie in a Bump
// and are freed with it; none changes once it is made but namespaces, dicts under construction, and
// what is iterated over once.
#ifndef CLAMMA_CHAT_TEMPLATE_VALUE_H_
#define CLAMMA_CHAT_TEMPLATE_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/template/bump.h"

namespace clamma {

// Whose bytes a text has: the template's, which may be control tokens, or the caller's, which are
// data. A mixed text says so for each byte.
enum class Origin : uint8_t { kTemplate, kCaller };

// Bytes of a Str that texts share: a text that ends where they end can be appended to in place.
struct StrBuffer {
  char* data;
  uint8_t* origins;
  size_t used;
  size_t capacity;
};

// A Python str, in UTF-8; a byte that is no UTF-8 counts as a character.
struct Str {
  const char* data;
  const uint8_t* origins;  // an Origin for each byte; nullptr: all have `origin`
  size_t size;             // bytes
  StrBuffer* buffer;       // nullptr if shared with no one
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
  kGenerator,  // what map(), select() and such give: to be iterated over once
  kView,       // dict.keys(), .values(), .items()
  kLoop,
  kMacro,
  kFunction,  // range, namespace, raise_exception and such
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

// What is not there, and why: the message of the failure to use it.
struct Missing {
  std::string_view name;
  enum class Reason : uint8_t { kName, kAttribute, kElement, kUnsafe, kNoElse, kOther } reason;
  Kind owner;  // of the attribute or element
};

struct Value {
  Kind kind = Kind::kUndefined;
  uint8_t detail = 0;  // kFunction: which; kView: of which part
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
  // Of kInt and kBool; of kFloat, too.
  int64_t AsInt() const { return Is(Kind::kBool) ? (boolean ? 1 : 0) : integer; }
  double AsFloat() const { return Is(Kind::kFloat) ? real : static_cast<double>(AsInt()); }
};

struct List {
  Value* items;
  size_t size;
  size_t used;  // kGenerator: those that are gone
};

struct Range {
  int64_t start;
  int64_t step;
  int64_t size;
};

// In order of insertion.
struct Dict {
  Value* keys;
  Value* values;
  size_t size;
  size_t capacity;
  uint32_t* slots;  // a hash table of indices + 1, once there are many keys
  size_t n_slots;
  uint64_t seed;  // of the hashes
};

// What follows returns nullptr or false where the bump has no memory left.

Str* NewStr(Bump& bump, std::string_view text, Origin origin);        // copies the text
Str* NewStrNoCopy(Bump& bump, std::string_view text, Origin origin);  // of bytes that stay
Str* NewPart(Bump& bump, const Str& text, size_t begin, size_t end);  // shares the bytes
List* NewList(Bump& bump, size_t size);
Dict* NewDict(Bump& bump);

// Adds or replaces. The key must be hashable.
bool DictSet(Bump& bump, Dict& dict, const Value& key, const Value& value);
bool DictSet(Bump& bump, Dict& dict, std::string_view key, const Value& value);
// nullptr if it is not there.
const Value* DictFind(const Dict& dict, const Value& key);
const Value* DictFind(const Dict& dict, std::string_view key);

// Whether it can be a key: no list or dict, nor a tuple of such. Takes off `work` what hashing the
// value takes; where that is not enough, `work` is 0 and the answer false.
bool IsHashable(const Value& value, uint64_t* work, unsigned depth = 0);

// Python's ==. Each element that is looked at takes 1 off `work`; where that is not enough, or
// containers are nested deeper than 64, it is 0 afterwards and the answer means nothing.
bool Equal(const Value& a, const Value& b, uint64_t* work, unsigned depth = 0);
// -1, 0, 1 of numbers; 2 if one is not a number (NaN).
int CompareNumbers(const Value& a, const Value& b);

const char* TypeName(const Value& value);  // Python's

}  // namespace clamma

#endif  // CLAMMA_CHAT_TEMPLATE_VALUE_H_
