// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/emptiness.h"

#include "engine/grammar/schema/children.h"
#include "engine/grammar/schema/expand.h"
#include "engine/grammar/schema/number_range.h"
#include "engine/grammar/schema/shape.h"
#include "engine/grammar/schema/validate.h"

namespace clamma {
namespace {

constexpr unsigned kMaxLevels = 3;  // of values within values

bool IsEmptyAlternative(SchemaWork& work, const SchemaSet& schemas, unsigned level, bool* is_empty);

// Whether no value obeys a set that has not been multiplied out.
bool IsEmptyChild(SchemaWork& work, const Vec<SchemaId>& children, unsigned level, bool* is_empty) {
  *is_empty = false;
  const SchemaSet set = {children.items, children.size};
  if (set.Has(kFalseSchema)) {
    *is_empty = true;
    return true;
  }
  if (level == kMaxLevels) return true;
  Vec<SchemaSet> alternatives;
  if (!ExpandSchemas(work, set, &alternatives)) return false;
  for (const SchemaSet& alternative : alternatives) {
    if (!IsEmptyAlternative(work, alternative, level, is_empty)) return false;
    if (!*is_empty) return true;
  }
  *is_empty = true;
  return true;
}

// Takes away the types whose values contradict.
bool NarrowArrays(SchemaWork& work, unsigned level, SchemaShape* shape) {
  bool is_empty = shape->items.min > shape->items.max;
  size_t n = 0;
  if (!CountPrefixItems(work, shape->schemas, &n)) return false;
  for (size_t i = 0; i <= n && i < shape->items.min && !is_empty; ++i) {
    Vec<SchemaId> children;
    if (!ItemSchemas(work, shape->schemas, i, &children) ||
        !IsEmptyChild(work, children, level + 1, &is_empty)) {
      return false;
    }
  }
  if (is_empty) shape->types &= ~unsigned{kArrayType};
  return true;
}

bool NarrowObjects(SchemaWork& work, unsigned level, SchemaShape* shape) {
  bool is_empty =
      shape->properties.min > shape->properties.max || shape->required.size > shape->properties.max;
  for (size_t i = 0; i < shape->required.size && !is_empty; ++i) {
    Vec<SchemaId> children;
    if (!PropertySchemas(work, shape->schemas, shape->required[i], &children) ||
        !IsEmptyChild(work, children, level + 1, &is_empty)) {
      return false;
    }
  }
  if (is_empty) shape->types &= ~unsigned{kObjectType};
  return true;
}

bool IsEmptyAlternative(SchemaWork& work, const SchemaSet& schemas, unsigned level,
                        bool* is_empty) {
  SchemaShape shape;
  if (!MakeShape(work, schemas, &shape)) return false;
  if (shape.values != nullptr) {
    size_t n_valid = 0;
    if (!CountPlainCandidates(work, shape, &n_valid)) return false;
    *is_empty = n_valid == 0;
    return true;
  }
  NarrowNumbers(&shape);
  if (shape.length.min > shape.length.max) shape.types &= ~unsigned{kStringType};
  if ((shape.types & kArrayType) != 0 && !NarrowArrays(work, level, &shape)) return false;
  if ((shape.types & kObjectType) != 0 && !NarrowObjects(work, level, &shape)) return false;
  *is_empty = shape.types == 0;
  return true;
}

}  // namespace

bool IsProvablyEmpty(SchemaWork& work, const SchemaSet& schemas, bool* is_empty) {
  if (schemas.Has(kFalseSchema)) {
    *is_empty = true;
    return true;
  }
  ++work.probing;
  const bool done = IsEmptyAlternative(work, schemas, 0, is_empty);
  --work.probing;
  return done;
}

}  // namespace clamma
