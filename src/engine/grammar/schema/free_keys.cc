// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/free_keys.h"

#include <algorithm>

#include "engine/grammar/schema/children.h"
#include "engine/grammar/schema/set_rules.h"
#include "engine/grammar/schema/strings.h"

namespace clamma {
namespace {

constexpr size_t kMaxPatterns = 8;

class FreeKeys {
 public:
  FreeKeys(SchemaCompiler& compiler, const SchemaShape& shape, unsigned level)
      : compiler_(compiler), work_(compiler.work), shape_(shape), level_(level) {}

  bool Add(const Vec<std::string_view>& names, Vec<NodeId>* classes) {
    if (!FindPatterns() || !MakeKeys(names) || !FindKinds()) return false;
    if (kinds_.size == 0) return true;
    if (!AddClass({0, 0}, true, classes) || !AddClass({0, 0x1f}, false, classes)) return false;
    for (uint32_t c = 0x20; c <= 0x7e; ++c) {
      if (!AddClass({c, c}, false, classes)) return false;
    }
    if (!AddClass({0x7f, kMaxCodePoint}, false, classes)) return false;
    for (KeyKind& kind : kinds_) {
      if (!kind.rules->Finish()) return false;
    }
    return true;
  }

 private:
  struct Pattern {
    SchemaId id;
    const Value* schema;
  };
  // Keys whose values obey the same schemas: those in which the same patterns are found.
  struct KeyKind {
    uint32_t label;
    RuleId value;
    StringSetRules* rules;
  };

  bool FindPatterns();
  bool MakeKeys(const Vec<std::string_view>& names);
  bool FindKinds();
  bool AddKind(uint32_t label);
  bool SchemasOf(uint32_t label, Vec<SchemaId>* schemas);
  bool AddClass(CodeRange first, bool is_empty_key, Vec<NodeId>* classes);

  SchemaCompiler& compiler_;
  SchemaWork& work_;
  const SchemaShape& shape_;
  const unsigned level_;
  Vec<Pattern> patterns_;
  Vec<StringSet> sets_;  // the set of each pattern, behind that of all keys
  bool is_ambiguous_ = false;
  StringSet keys_;
  Vec<KeyKind> kinds_;
};

bool FreeKeys::FindPatterns() {
  if (!sets_.Add(work_.bump, {})) return work_.FailMemory();
  for (size_t i = 0; i < shape_.schemas.n; ++i) {
    const SchemaId id = shape_.schemas.ids[i];
    const Dict* dict = nullptr;
    if (!FindObject(work_, id, "patternProperties", &dict)) return false;
    for (size_t k = 0; dict != nullptr && k < dict->size; ++k) {
      const std::string_view text = dict->keys[k].str->view();
      const StringSet* set = nullptr;
      if (!StringsOfPattern(work_, {text, id}, "patternProperties", &set)) return false;
      if (set == nullptr) continue;
      if (patterns_.size == kMaxPatterns) {
        return work_.FailLimit("an object has more than 8 patternProperties");
      }
      is_ambiguous_ = is_ambiguous_ || IsAmbiguous(text);
      if (!patterns_.Add(work_.bump, {id, &dict->values[k]}) || !sets_.Add(work_.bump, *set)) {
        return work_.FailMemory();
      }
    }
  }
  return true;
}

// All keys except the names, labelled with the patterns that are found in them: printable ASCII
// only if dialects may disagree about that.
bool FreeKeys::MakeKeys(const Vec<std::string_view>& names) {
  if (!StringsOtherThan(work_, names.items, names.size, &sets_[0])) return false;
  if (is_ambiguous_) {
    Grammar grammar(work_.memory);
    NodeId node = 0;
    StringSet both[2];
    constexpr CodeRange kPrintable = {0x20, 0x7e};
    NodeAdder nodes(work_, grammar);
    if (!nodes.Check(grammar.AddClass(&kPrintable, 1, false, &node)) ||
        !nodes.Repeat(node, 0, kUnbounded, &node) ||
        !StringsOfNode(work_, grammar, node, &both[1])) {
      return false;
    }
    both[0] = sets_[0];
    if (!IntersectStrings(work_, both, 2, &sets_[0])) return false;
  }
  return LabelStrings(work_, sets_.items, sets_.size, &keys_);
}

bool FreeKeys::SchemasOf(uint32_t label, Vec<SchemaId>* schemas) {
  for (size_t i = 0; i < shape_.schemas.n; ++i) {
    const SchemaId id = shape_.schemas.ids[i];
    bool is_matched = false;
    for (size_t k = 0; k < patterns_.size; ++k) {
      if (patterns_[k].id != id || ((label - 1) >> k & 1) == 0) continue;
      is_matched = true;
      if (!work_.AddSchema(*patterns_[k].schema, id, "patternProperties", schemas)) return false;
    }
    const Value* const others = work_.document.Find(id, "additionalProperties");
    if (!is_matched && others != nullptr &&
        !work_.AddSchema(*others, id, "additionalProperties", schemas)) {
      return false;
    }
  }
  SchemaWork::SortSet(schemas);
  return true;
}

bool FreeKeys::FindKinds() {
  for (uint32_t label = 1; label <= 1u << patterns_.size; ++label) {
    const uint32_t* const end = keys_.labels + keys_.n_states;
    if (!work_.Step(keys_.n_states)) return false;
    if (std::find(keys_.labels, end, label) != end && !AddKind(label)) return false;
  }
  return true;
}

bool FreeKeys::AddKind(uint32_t label) {
  Vec<SchemaId> schemas;
  if (!SchemasOf(label, &schemas)) return false;
  if (schemas.size > 0 && schemas[0] == kFalseSchema) return true;
  KeyKind kind = {.label = label, .value = 0, .rules = nullptr};
  const SchemaId origin = shape_.schemas.n > 0 ? shape_.schemas.ids[0] : 1;
  if (!compiler_.RuleOf(schemas, level_ + 1, origin, "additionalProperties", &kind.value)) {
    return false;
  }
  void* const place = work_.bump.Allocate(sizeof(StringSetRules));
  if (place == nullptr) return work_.FailMemory();
  kind.rules = new (place) StringSetRules(work_, compiler_.grammar, keys_, label, true);
  return kind.rules->Start() && (kinds_.Add(work_.bump, kind) || work_.FailMemory());
}

// Adds the properties whose keys begin with one of the characters, or are empty, if there are any.
bool FreeKeys::AddClass(CodeRange first, bool is_empty_key, Vec<NodeId>* classes) {
  NodeAdder& nodes = compiler_.nodes;
  Vec<NodeId> choices;
  for (KeyKind& kind : kinds_) {
    NodeId quote = 0, key = 0, colon = 0, value = 0, node = 0;
    bool is_there = is_empty_key && keys_.labels[0] == kind.label;
    if (!nodes.Sequence({}, &key) ||
        (!is_empty_key && !kind.rules->AddCharacters(0, first, &key, &is_there))) {
      return false;
    }
    if (!is_there) continue;
    if (!nodes.Bytes("\"", &quote) || !compiler_.AddColon("\":", &colon) ||
        !nodes.Reference(kind.value, &value) ||
        !nodes.Sequence({quote, key, colon, value}, &node) || !nodes.Push(node, &choices)) {
      return false;
    }
  }
  if (choices.size == 0) return true;
  RuleId rule = 0;
  NodeId body = 0, node = 0;
  return nodes.Choice(choices, &body) && nodes.Rule(&rule) && nodes.Define(rule, body) &&
         nodes.Reference(rule, &node) && nodes.Push(node, classes);
}

}  // namespace

bool AddFreeProperties(SchemaCompiler& compiler, const SchemaShape& shape,
                       const Vec<std::string_view>& names, unsigned level, Vec<NodeId>* classes) {
  return FreeKeys(compiler, shape, level).Add(names, classes);
}

}  // namespace clamma
