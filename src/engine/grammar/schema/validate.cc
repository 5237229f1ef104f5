// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/validate.h"

#include <algorithm>

#include "chat/template/decimal.h"
#include "chat/template/unicode.h"
#include "engine/grammar/schema/children.h"
#include "engine/grammar/schema/strings.h"

namespace clamma {
namespace {

constexpr unsigned kMaxDepth = 200;  // of values and of references

// Each function sets *valid.
class Validator {
 public:
  explicit Validator(SchemaWork& work) : work_(work) {}

  bool Validate(const Value& value, SchemaId id, unsigned depth, bool* valid) {
    *valid = false;
    if (id == kFalseSchema) return true;
    if (depth == kMaxDepth) return work_.FailLimit("an enum or const takes too many references");
    return ValidatePlain(value, id, depth, valid) &&
           (!*valid || ValidateApplied(value, id, depth, valid));
  }
  bool ValidatePlain(const Value& value, SchemaId id, unsigned depth, bool* valid);

 private:
  bool ValidateApplied(const Value& value, SchemaId id, unsigned depth, bool* valid);
  bool ValidateValue(const Value& value, const Value& schema, SchemaId id, std::string_view keyword,
                     unsigned depth, bool* valid);
  bool CountBranches(const Value& value, SchemaId id, std::string_view keyword, unsigned depth,
                     size_t* n, size_t* n_valid);
  bool ValidateNumber(const Value& value, const SchemaShape& shape) const;
  bool ValidateString(const Value& value, const SchemaShape& shape, bool* valid);
  bool ValidateArray(const Value& value, const SchemaShape& shape, unsigned depth, bool* valid);
  bool ValidateObject(const Value& value, const SchemaShape& shape, unsigned depth, bool* valid);
  bool ValidateChild(const Value& value, const Vec<SchemaId>& schemas, unsigned depth,
                     bool* valid) {
    *valid = true;
    for (size_t i = 0; i < schemas.size && *valid; ++i) {
      if (!Validate(value, schemas[i], depth + 1, valid)) return false;
    }
    return true;
  }

  SchemaWork& work_;
};

bool IsWithin(size_t n, const SchemaCount& count) { return n >= count.min && n <= count.max; }

bool IsMultiple(const Value& value, const Value& divisor) {
  if (divisor.Is(Kind::kInt)) {
    return value.Is(Kind::kInt) ? value.integer % divisor.integer == 0
                                : Remainder(value.real, divisor.AsFloat()) == 0;
  }
  const double quotient = value.AsFloat() / divisor.real;
  return Floor(quotient) == quotient;
}

bool Validator::ValidatePlain(const Value& value, SchemaId id, unsigned depth, bool* valid) {
  *valid = false;
  SchemaShape shape;
  if (!work_.Step() || !MakeShape(work_, {&id, 1}, &shape)) return false;
  const Value* const constant = work_.document.Find(id, "const");
  const Value* const values = work_.document.Find(id, "enum");
  if (constant != nullptr && !EqualJson(*constant, value)) return true;
  if (values != nullptr) {
    const List& list = *values->list;
    if (!work_.Step(list.size)) return false;
    if (std::none_of(list.items, list.items + list.size,
                     [&value](const Value& other) { return EqualJson(other, value); })) {
      return true;
    }
  }
  const unsigned type = TypeOf(value);
  if ((shape.types & type) == 0) return true;
  *valid = true;
  if ((type & (kIntegerType | kFractionType)) != 0) *valid = ValidateNumber(value, shape);
  if (type == kStringType) return ValidateString(value, shape, valid);
  if (type == kArrayType) return ValidateArray(value, shape, depth, valid);
  return type != kObjectType || ValidateObject(value, shape, depth, valid);
}

bool Validator::ValidateNumber(const Value& value, const SchemaShape& shape) const {
  for (const Value* divisor : shape.divisors) {
    if (!IsMultiple(value, *divisor)) return false;
  }
  if (shape.lower.value != nullptr) {
    const int order = CompareNumbers(value, *shape.lower.value);
    if (order < 0 || (order == 0 && shape.lower.is_exclusive)) return false;
  }
  if (shape.upper.value == nullptr) return true;
  const int order = CompareNumbers(value, *shape.upper.value);
  return order < 0 || (order == 0 && !shape.upper.is_exclusive);
}

bool Validator::ValidateString(const Value& value, const SchemaShape& shape, bool* valid) {
  const std::string_view text = value.str->view();
  *valid = IsWithin(CountCharacters(text), shape.length);
  if (work_.probing > 0) return true;
  const StringSet* set = nullptr;
  for (const SchemaText& pattern : shape.patterns) {
    if (!StringsOfPattern(work_, pattern, "pattern", &set)) return false;
    if (set != nullptr && set->LabelOf(text) == 0) *valid = false;
  }
  for (const SchemaText& format : shape.formats) {
    if (!StringsOfFormat(work_, format, &set)) return false;
    if (set != nullptr && set->LabelOf(text) == 0) *valid = false;
  }
  return work_.Step(text.size() * (shape.patterns.size + shape.formats.size));
}

bool Validator::ValidateArray(const Value& value, const SchemaShape& shape, unsigned depth,
                              bool* valid) {
  const List& list = *value.list;
  *valid = IsWithin(list.size, shape.items);
  size_t n = 0;
  if (!CountPrefixItems(work_, shape.schemas, &n)) return false;
  for (size_t i = 0; i < list.size && *valid; ++i) {
    Vec<SchemaId> children;
    if (!ItemSchemas(work_, shape.schemas, i, &children) ||
        !ValidateChild(list.items[i], children, depth, valid)) {
      return false;
    }
  }
  return true;
}

bool Validator::ValidateObject(const Value& value, const SchemaShape& shape, unsigned depth,
                               bool* valid) {
  const Dict& dict = *value.dict;
  *valid = IsWithin(dict.size, shape.properties);
  for (const std::string_view name : shape.required) {
    if (DictFind(dict, name) == nullptr) *valid = false;
  }
  for (size_t i = 0; i < dict.size && *valid; ++i) {
    Vec<SchemaId> children;
    if (!PropertySchemas(work_, shape.schemas, dict.keys[i].str->view(), &children) ||
        !ValidateChild(dict.values[i], children, depth, valid)) {
      return false;
    }
  }
  return true;
}

bool Validator::ValidateValue(const Value& value, const Value& schema, SchemaId id,
                              std::string_view keyword, unsigned depth, bool* valid) {
  Vec<SchemaId> one;
  return work_.AddSchema(schema, id, keyword, &one) && ValidateChild(value, one, depth, valid);
}

bool Validator::CountBranches(const Value& value, SchemaId id, std::string_view keyword,
                              unsigned depth, size_t* n, size_t* n_valid) {
  *n = *n_valid = 0;
  const Value* const list = work_.document.Find(id, keyword);
  if (list == nullptr) return true;
  if (!list->Is(Kind::kList)) return work_.Malformed(id, keyword, "an array is expected");
  *n = list->list->size;
  for (size_t i = 0; i < *n; ++i) {
    bool valid = false;
    if (!ValidateValue(value, list->list->items[i], id, keyword, depth, &valid)) return false;
    *n_valid += valid ? 1 : 0;
  }
  return true;
}

bool Validator::ValidateApplied(const Value& value, SchemaId id, unsigned depth, bool* valid) {
  const Value* const reference = work_.document.Find(id, "$ref");
  if (reference != nullptr) {
    const bool is_text = reference->Is(Kind::kString);
    if (!is_text || !work_.Step(work_.document.size())) {
      return is_text ? false : work_.Malformed(id, "$ref", "a string is expected");
    }
    const Value* const target = work_.document.Resolve(id, reference->str->view());
    if (target == nullptr) {
      return work_.Malformed(id, "$ref", "it refers to nothing in this document; none is fetched");
    }
    if (!ValidateValue(value, *target, id, "$ref", depth, valid)) return false;
  }
  size_t n = 0, n_valid = 0;
  if (!CountBranches(value, id, "allOf", depth, &n, &n_valid)) return false;
  *valid = *valid && n_valid == n;
  if (!CountBranches(value, id, "anyOf", depth, &n, &n_valid)) return false;
  *valid = *valid && (n == 0 || n_valid > 0);
  // Patterns and formats may match more than is known here: a second branch must not be possible.
  size_t n_possible = 0;
  ++work_.probing;
  const bool done = CountBranches(value, id, "oneOf", depth, &n, &n_possible);
  --work_.probing;
  if (!done || !CountBranches(value, id, "oneOf", depth, &n, &n_valid)) return false;
  const bool is_one = work_.probing > 0 ? n_possible > 0 : n_valid == 1 && n_possible == 1;
  *valid = *valid && (n == 0 || is_one);
  return true;
}

}  // namespace

bool FindCandidates(SchemaWork& work, const SchemaShape& shape, Vec<const Value*>* candidates) {
  Validator validator(work);
  const Value* const values = shape.is_const ? shape.values : shape.values->list->items;
  const size_t n = shape.is_const ? 1 : shape.values->list->size;
  for (size_t i = 0; i < n; ++i) {
    bool valid = true;
    for (size_t k = 0; k < shape.schemas.n && valid; ++k) {
      if (!validator.Validate(values[i], shape.schemas.ids[k], 0, &valid)) return false;
    }
    if (valid && !candidates->Add(work.bump, &values[i])) return work.FailMemory();
  }
  return true;
}

bool CountPlainCandidates(SchemaWork& work, const SchemaShape& shape, size_t* n) {
  Validator validator(work);
  const Value* const values = shape.is_const ? shape.values : shape.values->list->items;
  const size_t n_values = shape.is_const ? 1 : shape.values->list->size;
  *n = 0;
  for (size_t i = 0; i < n_values; ++i) {
    bool valid = true;
    for (size_t k = 0; k < shape.schemas.n && valid; ++k) {
      if (!validator.ValidatePlain(values[i], shape.schemas.ids[k], 0, &valid)) return false;
    }
    *n += valid ? 1 : 0;
  }
  return true;
}

}  // namespace clamma
