// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/shape.h"

#include <algorithm>

#include "chat/template/decimal.h"

namespace clamma {
namespace {

bool TypesOf(std::string_view name, unsigned* types) {
  static constexpr struct {
    std::string_view name;
    unsigned types;
  } kNames[] = {{"null", kNullType},       {"boolean", kBooleanType},
                {"integer", kIntegerType}, {"number", kIntegerType | kFractionType},
                {"string", kStringType},   {"array", kArrayType},
                {"object", kObjectType}};
  const auto* const known = std::find_if(std::begin(kNames), std::end(kNames),
                                         [&](const auto& entry) { return entry.name == name; });
  if (known == std::end(kNames)) return false;
  *types |= known->types;
  return true;
}

// Reads one schema's keywords into the shape.
class ShapeReader {
 public:
  ShapeReader(SchemaWork& work, SchemaId id, SchemaShape* shape)
      : work_(work), id_(id), shape_(*shape) {}

  bool ReadTypes();
  bool Read() {
    return ReadValues() && ReadNumbers() && ReadStrings() && ReadCounts() && ReadRequired();
  }
  bool RefuseUnsupported();

 private:
  const Value* Find(std::string_view keyword) const { return work_.document.Find(id_, keyword); }
  bool ReadValues();
  bool ReadBound(std::string_view keyword, bool is_lower, bool is_exclusive);
  bool ReadNumbers();
  bool ReadStrings();
  bool ReadCounts();
  bool ReadCountPair(std::string_view min, std::string_view max, SchemaCount* count);
  bool ReadRequired();
  bool IsVacuous(std::string_view keyword, const Value& value) const;

  SchemaWork& work_;
  const SchemaId id_;
  SchemaShape& shape_;
};

bool ShapeReader::ReadTypes() {
  const Value* const type = Find("type");
  if (type == nullptr) return true;
  unsigned types = 0;
  const bool is_list = type->Is(Kind::kList);
  const size_t n = is_list ? type->list->size : 1;
  for (size_t i = 0; i < n; ++i) {
    const Value& name = is_list ? type->list->items[i] : *type;
    if (!name.Is(Kind::kString) || !TypesOf(name.str->view(), &types)) {
      return work_.Malformed(id_, "type", "the name of a type, or an array of them, is expected");
    }
  }
  if ((shape_.types & types) != shape_.types) shape_.narrowed = id_;
  shape_.types &= types;
  return true;
}

bool ShapeReader::ReadValues() {
  if (const Value* const value = Find("const"); value != nullptr) {
    shape_.values = value;
    shape_.is_const = true;
  }
  const Value* const values = Find("enum");
  if (values == nullptr) return true;
  if (!values->Is(Kind::kList)) return work_.Malformed(id_, "enum", "an array is expected");
  if (shape_.values == nullptr) shape_.values = values;
  return true;
}

bool ShapeReader::ReadBound(std::string_view keyword, bool is_lower, bool is_exclusive) {
  const Value* const value = Find(keyword);
  if (value == nullptr) return true;
  if (!value->Is(Kind::kInt) && !value->Is(Kind::kFloat)) {
    return work_.Malformed(id_, keyword, "a number is expected");
  }
  if (CompareNumbers(*value, Value::Int(0)) == 2 || value->AsFloat() - value->AsFloat() != 0) {
    return work_.Malformed(id_, keyword, "the number is out of range");
  }
  SchemaBound& bound = is_lower ? shape_.lower : shape_.upper;
  const int order = bound.value == nullptr ? 2 : CompareNumbers(*value, *bound.value);
  if (order == 2 || order == (is_lower ? 1 : -1) || (order == 0 && is_exclusive)) {
    bound = {value, is_exclusive};
  }
  return true;
}

bool ShapeReader::ReadNumbers() {
  if (!ReadBound("minimum", true, false) || !ReadBound("exclusiveMinimum", true, true) ||
      !ReadBound("maximum", false, false) || !ReadBound("exclusiveMaximum", false, true)) {
    return false;
  }
  const Value* const divisor = Find("multipleOf");
  if (divisor == nullptr) return true;
  if ((!divisor->Is(Kind::kInt) && !divisor->Is(Kind::kFloat)) || !(divisor->AsFloat() > 0)) {
    return work_.Malformed(id_, "multipleOf", "a number above 0 is expected");
  }
  return shape_.divisors.Add(work_.bump, divisor) || work_.FailMemory();
}

bool ShapeReader::ReadStrings() {
  for (const std::string_view keyword : {"pattern", "format"}) {
    const Value* const value = Find(keyword);
    if (value == nullptr) continue;
    if (!value->Is(Kind::kString)) return work_.Malformed(id_, keyword, "a string is expected");
    Vec<SchemaText>& texts = keyword == "pattern" ? shape_.patterns : shape_.formats;
    if (!texts.Add(work_.bump, {value->str->view(), id_})) return work_.FailMemory();
  }
  return true;
}

bool ShapeReader::ReadCountPair(std::string_view min, std::string_view max, SchemaCount* count) {
  bool has_min = false, has_max = false;
  uint64_t least = 0, most = 0;
  if (!ReadCount(work_, id_, min, &has_min, &least) ||
      !ReadCount(work_, id_, max, &has_max, &most)) {
    return false;
  }
  if (has_min) count->min = std::max(count->min, least);
  if (has_max) count->max = std::min(count->max, most);
  return true;
}

bool ShapeReader::ReadCounts() {
  return ReadCountPair("minLength", "maxLength", &shape_.length) &&
         ReadCountPair("minItems", "maxItems", &shape_.items) &&
         ReadCountPair("minProperties", "maxProperties", &shape_.properties);
}

bool ShapeReader::ReadRequired() {
  const Value* const required = Find("required");
  if (required == nullptr) return true;
  if (!required->Is(Kind::kList)) {
    return work_.Malformed(id_, "required", "an array of strings is expected");
  }
  for (size_t i = 0; i < required->list->size; ++i) {
    const Value& name = required->list->items[i];
    if (!name.Is(Kind::kString)) {
      return work_.Malformed(id_, "required", "an array of strings is expected");
    }
    const std::string_view text = name.str->view();
    if (!work_.Step(shape_.required.size)) return false;
    const bool is_known =
        std::find(shape_.required.begin(), shape_.required.end(), text) != shape_.required.end();
    if (!is_known && !shape_.required.Add(work_.bump, text)) return work_.FailMemory();
  }
  return true;
}

// Keywords that constrain, but not here, by their types and values.
bool ShapeReader::IsVacuous(std::string_view keyword, const Value& value) const {
  const bool is_true =
      (value.Is(Kind::kBool) && value.boolean) || (value.Is(Kind::kDict) && value.dict->size == 0);
  if (keyword == "uniqueItems") {
    return (value.Is(Kind::kBool) && !value.boolean) || shape_.items.max <= 1;
  }
  if (keyword == "not") return value.Is(Kind::kBool) && !value.boolean;
  if (keyword == "if") return Find("then") == nullptr && Find("else") == nullptr;
  if (keyword == "dependentRequired" || keyword == "dependentSchemas" ||
      keyword == "dependencies") {
    return value.Is(Kind::kDict) && value.dict->size == 0;
  }
  if (keyword == "contains") return false;
  return is_true;
}

bool ShapeReader::RefuseUnsupported() {
  static constexpr struct {
    std::string_view keyword;
    unsigned types;
  } kUnsupported[] = {{"uniqueItems", kArrayType},
                      {"contains", kArrayType},
                      {"unevaluatedItems", kArrayType},
                      {"additionalItems", kArrayType},
                      {"propertyNames", kObjectType},
                      {"dependentRequired", kObjectType},
                      {"dependentSchemas", kObjectType},
                      {"dependencies", kObjectType},
                      {"unevaluatedProperties", kObjectType},
                      {"not", kAllTypes},
                      {"if", kAllTypes},
                      {"$dynamicRef", kAllTypes},
                      {"$recursiveRef", kAllTypes}};
  if (work_.probing > 0) return true;
  return std::all_of(std::begin(kUnsupported), std::end(kUnsupported), [&](const auto& one) {
    const Value* const value = Find(one.keyword);
    return value == nullptr || (one.types & shape_.types) == 0 || IsVacuous(one.keyword, *value) ||
           work_.Unsupported(id_, one.keyword, "this constraint is not supported");
  });
}

}  // namespace

bool ReadCount(SchemaWork& work, SchemaId id, std::string_view keyword, bool* is_there,
               uint64_t* count) {
  const Value* const value = work.document.Find(id, keyword);
  *is_there = value != nullptr;
  if (!*is_there) return true;
  const bool is_number = value->Is(Kind::kInt) || value->Is(Kind::kFloat);
  const double number = is_number ? value->AsFloat() : -1;
  if (!(number >= 0) || Floor(number) != number) {
    return work.Malformed(id, keyword, "an integer that is not negative is expected");
  }
  constexpr double kTwoTo63 = 9223372036854775808.0;
  *count = value->Is(Kind::kInt) ? static_cast<uint64_t>(value->integer)
           : number < kTwoTo63   ? static_cast<uint64_t>(number)
                                 : kNoMaximum - 1;
  return true;
}

unsigned TypeOf(const Value& value) {
  switch (value.kind) {
    case Kind::kNone:
      return kNullType;
    case Kind::kBool:
      return kBooleanType;
    case Kind::kInt:
      return kIntegerType;
    case Kind::kFloat:
      return Floor(value.real) == value.real ? kIntegerType : kFractionType;
    case Kind::kString:
      return kStringType;
    case Kind::kList:
      return kArrayType;
    default:
      return kObjectType;
  }
}

bool EqualJson(const Value& a, const Value& b) {
  if (TypeOf(a) != TypeOf(b)) return false;
  switch (TypeOf(a)) {
    case kNullType:
      return true;
    case kBooleanType:
      return a.boolean == b.boolean;
    case kIntegerType:
    case kFractionType:
      return CompareNumbers(a, b) == 0;
    case kStringType:
      return a.str->view() == b.str->view();
    case kArrayType:
      if (a.list->size != b.list->size) return false;
      for (size_t i = 0; i < a.list->size; ++i) {
        if (!EqualJson(a.list->items[i], b.list->items[i])) return false;
      }
      return true;
    default:
      if (a.dict->size != b.dict->size) return false;
      for (size_t i = 0; i < a.dict->size; ++i) {
        const Value* const other = DictFind(*b.dict, a.dict->keys[i]);
        if (other == nullptr || !EqualJson(a.dict->values[i], *other)) return false;
      }
      return true;
  }
}

bool MakeShape(SchemaWork& work, const SchemaSet& schemas, SchemaShape* shape) {
  shape->schemas = schemas;
  for (size_t i = 0; i < schemas.n; ++i) {
    if (!work.Step() || !ShapeReader(work, schemas.ids[i], shape).ReadTypes()) return false;
  }
  for (size_t i = 0; i < schemas.n; ++i) {
    if (!ShapeReader(work, schemas.ids[i], shape).Read()) return false;
  }
  for (size_t i = 0; i < schemas.n; ++i) {
    if (!ShapeReader(work, schemas.ids[i], shape).RefuseUnsupported()) return false;
  }
  return true;
}

}  // namespace clamma
