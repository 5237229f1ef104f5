// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/expand.h"

#include "engine/grammar/schema/emptiness.h"

namespace clamma {
namespace {

// The schemas that are being expanded, from the innermost to the outermost.
struct Frame {
  SchemaId id;
  const Frame* outer;
  unsigned depth;
};

class Expander {
 public:
  explicit Expander(SchemaWork& work) : work_(work) {}

  bool ExpandSet(const SchemaSet& set, const Frame* outer, Vec<SchemaSet>* out) {
    if (!out->Add(work_.bump, {})) return work_.FailMemory();
    for (size_t i = 0; i < set.n; ++i) {
      Vec<SchemaSet> factor;
      if (!ExpandOne(set.ids[i], outer, &factor) || !Multiply(factor, out)) return false;
    }
    return true;
  }

 private:
  bool ExpandOne(SchemaId id, const Frame* outer, Vec<SchemaSet>* out);
  bool ExpandReference(SchemaId id, const Frame& frame, Vec<SchemaSet>* out);
  bool ExpandAll(SchemaId id, const Frame& frame, Vec<SchemaSet>* out);
  bool ExpandBranches(SchemaId id, std::string_view keyword, const Frame& frame,
                      Vec<SchemaSet>* out);
  bool CheckExclusion(SchemaId id, const Vec<Vec<SchemaSet>>& branches);
  bool ExpandValue(const Value& schema, SchemaId id, std::string_view keyword, const Frame& frame,
                   Vec<SchemaSet>* out) {
    Vec<SchemaId> one;
    return work_.AddSchema(schema, id, keyword, &one) &&
           ExpandSet({one.items, one.size}, &frame, out);
  }
  bool Join(const SchemaSet& a, const SchemaSet& b, SchemaSet* both);
  bool Multiply(const Vec<SchemaSet>& factor, Vec<SchemaSet>* product);
  bool AddDistinct(const SchemaSet& set, Vec<SchemaSet>* sets);

  SchemaWork& work_;
};

bool Expander::Join(const SchemaSet& a, const SchemaSet& b, SchemaSet* both) {
  if (a.n == 0 || b.n == 0) {
    *both = a.n == 0 ? b : a;
    return true;
  }
  Vec<SchemaId> ids;
  if (!work_.Step(a.n + b.n)) return false;
  for (const SchemaSet* set : {&a, &b}) {
    for (size_t i = 0; i < set->n; ++i) {
      if (!ids.Add(work_.bump, set->ids[i])) return work_.FailMemory();
    }
  }
  SchemaWork::SortSet(&ids);
  *both = {ids.items, ids.size};
  return true;
}

bool Expander::AddDistinct(const SchemaSet& set, Vec<SchemaSet>* sets) {
  if (!work_.Step(sets->size)) return false;
  for (const SchemaSet& other : *sets) {
    bool is_equal = other.n == set.n;
    for (size_t i = 0; i < set.n && is_equal; ++i) is_equal = other.ids[i] == set.ids[i];
    if (is_equal) return true;
  }
  if (sets->size == JsonSchemaLimits::kMaxAlternatives) {
    return work_.FailLimit("too many alternatives: anyOf and oneOf multiply to more than 512");
  }
  return sets->Add(work_.bump, set) || work_.FailMemory();
}

bool Expander::Multiply(const Vec<SchemaSet>& factor, Vec<SchemaSet>* product) {
  Vec<SchemaSet> result;
  for (const SchemaSet& a : *product) {
    for (const SchemaSet& b : factor) {
      SchemaSet both;
      if (!Join(a, b, &both) || !AddDistinct(both, &result)) return false;
    }
  }
  *product = result;
  return true;
}

bool Expander::ExpandOne(SchemaId id, const Frame* outer, Vec<SchemaSet>* out) {
  if (id == kFalseSchema) return true;
  const Frame frame = {id, outer, outer == nullptr ? 1 : outer->depth + 1};
  if (frame.depth > JsonSchemaLimits::kMaxInPlace) {
    return work_.FailLimit("$ref, allOf, anyOf and oneOf are nested too deeply: more than 64");
  }
  for (const Frame* f = outer; f != nullptr; f = f->outer) {
    if (f->id == id) {
      return work_.Malformed(id, "", "the schema refers to itself before a value is entered");
    }
  }
  Vec<SchemaId> self;
  if (!work_.Step() || !self.Add(work_.bump, id)) return work_.FailMemory();
  if (!out->Add(work_.bump, {self.items, 1})) return work_.FailMemory();
  return ExpandReference(id, frame, out) && ExpandAll(id, frame, out) &&
         ExpandBranches(id, "anyOf", frame, out) && ExpandBranches(id, "oneOf", frame, out);
}

bool Expander::ExpandReference(SchemaId id, const Frame& frame, Vec<SchemaSet>* out) {
  const Value* const reference = work_.document.Find(id, "$ref");
  if (reference == nullptr) return true;
  if (!reference->Is(Kind::kString)) return work_.Malformed(id, "$ref", "a string is expected");
  if (!work_.Step(work_.document.size())) return false;
  const Value* const target = work_.document.Resolve(id, reference->str->view());
  if (target == nullptr) {
    return work_.Malformed(id, "$ref", "it refers to nothing in this document; none is fetched");
  }
  Vec<SchemaSet> factor;
  return ExpandValue(*target, id, "$ref", frame, &factor) && Multiply(factor, out);
}

bool Expander::ExpandAll(SchemaId id, const Frame& frame, Vec<SchemaSet>* out) {
  const Value* const all = work_.document.Find(id, "allOf");
  if (all == nullptr) return true;
  if (!all->Is(Kind::kList) || all->list->size == 0) {
    return work_.Malformed(id, "allOf", "an array that is not empty is expected");
  }
  for (size_t i = 0; i < all->list->size; ++i) {
    Vec<SchemaSet> factor;
    if (!ExpandValue(all->list->items[i], id, "allOf", frame, &factor)) return false;
    if (!Multiply(factor, out)) return false;
  }
  return true;
}

bool Expander::ExpandBranches(SchemaId id, std::string_view keyword, const Frame& frame,
                              Vec<SchemaSet>* out) {
  const Value* const list = work_.document.Find(id, keyword);
  if (list == nullptr) return true;
  if (!list->Is(Kind::kList) || list->list->size == 0) {
    return work_.Malformed(id, keyword, "an array that is not empty is expected");
  }
  Vec<Vec<SchemaSet>> branches;
  Vec<SchemaSet> sum;
  for (size_t i = 0; i < list->list->size; ++i) {
    Vec<SchemaSet> branch;
    if (!ExpandValue(list->list->items[i], id, keyword, frame, &branch)) return false;
    if (!branches.Add(work_.bump, branch)) return work_.FailMemory();
    for (const SchemaSet& alternative : branch) {
      if (!AddDistinct(alternative, &sum)) return false;
    }
  }
  if (keyword == "oneOf" && work_.probing == 0 && !CheckExclusion(id, branches)) return false;
  return Multiply(sum, out);
}

// Any two branches must be incompatible, together with the keywords beside them.
bool Expander::CheckExclusion(SchemaId id, const Vec<Vec<SchemaSet>>& branches) {
  const SchemaSet self = {&id, 1};
  for (size_t i = 0; i < branches.size; ++i) {
    for (size_t j = i + 1; j < branches.size; ++j) {
      for (const SchemaSet& a : branches[i]) {
        for (const SchemaSet& b : branches[j]) {
          SchemaSet both, all;
          bool is_empty = false;
          if (!Join(a, b, &both) || !Join(both, self, &all) ||
              !IsProvablyEmpty(work_, all, &is_empty)) {
            return false;
          }
          if (is_empty) continue;
          return work_.Unsupported(id, "oneOf",
                                   "two of its branches do not provably exclude each other");
        }
      }
    }
  }
  return true;
}

}  // namespace

bool ExpandSchemas(SchemaWork& work, const SchemaSet& set, Vec<SchemaSet>* alternatives) {
  return Expander(work).ExpandSet(set, nullptr, alternatives);
}

}  // namespace clamma
