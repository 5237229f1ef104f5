// SPDX-License-Identifier: MIT
// What the keywords of several schemas say together about a value, except for those that multiply
// (expand.h) and those about values within it.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_SHAPE_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_SHAPE_H_

#include <cstdint>
#include <string_view>

#include "engine/grammar/schema/work.h"

namespace clamma {

// Kinds of values; a number is one of two.
enum SchemaType : uint8_t {
  kNullType = 1,
  kBooleanType = 2,
  kIntegerType = 4,   // a number without a fraction
  kFractionType = 8,  // any other number
  kStringType = 16,
  kArrayType = 32,
  kObjectType = 64,
  kAllTypes = 127,
};

inline constexpr uint64_t kNoMaximum = UINT64_MAX;

struct SchemaCount {
  uint64_t min = 0;
  uint64_t max = kNoMaximum;
};

struct SchemaBound {
  const Value* value = nullptr;  // nullptr: none
  bool is_exclusive = false;
};

// A string of a schema, with its place.
struct SchemaText {
  std::string_view text;
  SchemaId id;
};

struct SchemaShape {
  SchemaSet schemas;
  unsigned types = kAllTypes;
  const Value* values = nullptr;  // of an enum (a list) or a const: the candidates
  bool is_const = false;
  SchemaBound lower, upper;
  Vec<const Value*> divisors;
  SchemaCount length, items, properties;
  Vec<SchemaText> patterns, formats;
  Vec<std::string_view> required;
  SchemaId narrowed = 1;  // the last schema that took types away
};

// Refuses malformed keywords, and unsupported constraints that values of the remaining types could
// violate.
bool MakeShape(SchemaWork& work, const SchemaSet& schemas, SchemaShape* shape);

// The types of a value of the document, one bit.
unsigned TypeOf(const Value& value);

// Reads a keyword that counts. Counts beyond the largest integer become the largest integer.
bool ReadCount(SchemaWork& work, SchemaId id, std::string_view keyword, bool* is_there,
               uint64_t* count);

// Whether two values are equal in the sense of JSON schema: true is not 1.
bool EqualJson(const Value& a, const Value& b);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_SHAPE_H_
