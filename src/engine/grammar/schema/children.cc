// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/children.h"

#include <algorithm>

#include "engine/grammar/schema/strings.h"

namespace clamma {
namespace {

// Adds the schemas of the patterns that are found in the name.
bool AddByPattern(SchemaWork& work, SchemaId id, std::string_view name, bool* is_matched,
                  Vec<SchemaId>* children) {
  const Dict* patterns = nullptr;
  if (!FindObject(work, id, "patternProperties", &patterns)) return false;
  for (size_t i = 0; patterns != nullptr && i < patterns->size; ++i) {
    const std::string_view pattern = patterns->keys[i].str->view();
    const StringSet* set = nullptr;
    if (!work.Step(name.size()) ||
        !StringsOfPattern(work, {pattern, id}, "patternProperties", &set)) {
      return false;
    }
    if (set == nullptr) continue;
    if (IsAmbiguous(pattern) && !IsPrintableAscii(name) &&
        !work.Unsupported(
            id, "patternProperties",
            "dialects may disagree whether a pattern is found in a property's name")) {
      return false;
    }
    if (set->LabelOf(name) == 0) continue;
    *is_matched = true;
    if (!work.AddSchema(patterns->values[i], id, "patternProperties", children)) return false;
  }
  return true;
}

}  // namespace

bool FindObject(SchemaWork& work, SchemaId id, std::string_view keyword, const Dict** dict) {
  const Value* const value = work.document.Find(id, keyword);
  *dict = nullptr;
  if (value == nullptr) return true;
  if (!value->Is(Kind::kDict)) return work.Malformed(id, keyword, "an object is expected");
  *dict = value->dict;
  return true;
}

bool IsAmbiguous(std::string_view pattern) {
  return std::any_of(pattern.begin(), pattern.end(),
                     [](char c) { return c == '\\' || c == '.' || c == '$'; });
}

bool IsPrintableAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool PropertySchemas(SchemaWork& work, const SchemaSet& schemas, std::string_view name,
                     Vec<SchemaId>* children) {
  for (size_t i = 0; i < schemas.n; ++i) {
    const SchemaId id = schemas.ids[i];
    const Dict* properties = nullptr;
    if (!work.Step() || !FindObject(work, id, "properties", &properties)) return false;
    const Value* const own = properties == nullptr ? nullptr : DictFind(*properties, name);
    bool is_matched = own != nullptr;
    if (own != nullptr && !work.AddSchema(*own, id, "properties", children)) return false;
    if (!AddByPattern(work, id, name, &is_matched, children)) return false;
    const Value* const others = work.document.Find(id, "additionalProperties");
    if (!is_matched && others != nullptr &&
        !work.AddSchema(*others, id, "additionalProperties", children)) {
      return false;
    }
  }
  SchemaWork::SortSet(children);
  return true;
}

bool ItemSchemas(SchemaWork& work, const SchemaSet& schemas, size_t index,
                 Vec<SchemaId>* children) {
  for (size_t i = 0; i < schemas.n; ++i) {
    const SchemaId id = schemas.ids[i];
    const Value* const prefix = work.document.Find(id, "prefixItems");
    const bool is_own = prefix != nullptr && index < prefix->list->size;
    const Value* const items =
        is_own ? &prefix->list->items[index] : work.document.Find(id, "items");
    if (!work.Step()) return false;
    if (items == nullptr) continue;
    if (items->Is(Kind::kList)) {
      return work.Malformed(id, "items", "an array of schemas is not supported: use prefixItems");
    }
    if (!work.AddSchema(*items, id, is_own ? "prefixItems" : "items", children)) return false;
  }
  SchemaWork::SortSet(children);
  return true;
}

bool CountPrefixItems(SchemaWork& work, const SchemaSet& schemas, size_t* n) {
  *n = 0;
  for (size_t i = 0; i < schemas.n; ++i) {
    const Value* const prefix = work.document.Find(schemas.ids[i], "prefixItems");
    if (prefix == nullptr) continue;
    if (!prefix->Is(Kind::kList)) {
      return work.Malformed(schemas.ids[i], "prefixItems", "an array of schemas is expected");
    }
    *n = std::max(*n, prefix->list->size);
  }
  return true;
}

}  // namespace clamma
