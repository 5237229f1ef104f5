// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/compiler.h"

#include <algorithm>
#include <cstring>

#include "engine/grammar/regex.h"
#include "engine/grammar/schema/expand.h"
#include "engine/grammar/schema/number_rules.h"
#include "engine/grammar/schema/productive.h"

namespace clamma {

bool SchemaCompiler::Compile(RuleId* root) {
  Vec<SchemaId> schemas;
  if (!work.AddSchema(work.document.root(), 1, {}, &schemas)) return false;
  if (schemas.size > 0 && schemas[0] == kFalseSchema) {
    return work.Fail(Status::Error(StatusCode::kInvalidArgument,
                                   "JSON schema, the root: no value is valid: it is false"));
  }
  if (!RuleOf(schemas, 0, 1, {}, root)) return false;
  for (; n_done_ < items_.size; ++n_done_) {
    if (!CompileItem(items_[n_done_])) return false;
  }
  bool is_productive = false;
  if (!IsProductive(work, grammar, *root, &is_productive)) return false;
  return is_productive || work.FailEmpty();
}

bool SchemaCompiler::RuleOf(const Vec<SchemaId>& schemas, unsigned level, SchemaId origin,
                            std::string_view keyword, RuleId* rule) {
  if (!work.Step(items_.size / 8 + 1)) return false;
  if (work.options.indent == 0) level = 0;
  for (const Item& item : items_) {
    const bool is_equal = item.level == level && item.schemas.n == schemas.size &&
                          std::equal(schemas.begin(), schemas.end(), item.schemas.ids);
    if (!is_equal) continue;
    *rule = item.rule;
    return true;
  }
  if (!nodes.Rule(rule)) return false;
  const Item item = {{schemas.items, schemas.size}, level, *rule, origin, keyword};
  return items_.Add(work.bump, item) || work.FailMemory();
}

bool SchemaCompiler::CompileItem(const Item& item) {
  const Item copy = item;  // the list grows
  Vec<SchemaSet> alternatives;
  if (!ExpandSchemas(work, copy.schemas, &alternatives)) return false;
  Vec<NodeId> choices;
  for (const SchemaSet& alternative : alternatives) {
    if (!CompileAlternative(alternative, copy, &choices)) return false;
  }
  if (alternatives.size == 0) {
    work.NoteEmpty(copy.origin, copy.keyword, "no value is valid: all alternatives are false");
  }
  NodeId body = 0;
  return nodes.Choice(choices, &body) && nodes.Define(copy.rule, body);
}

bool SchemaCompiler::CompileAlternative(const SchemaSet& schemas, const Item& item,
                                        Vec<NodeId>* choices) {
  SchemaShape shape;
  if (!MakeShape(work, schemas, &shape)) return false;
  const size_t n = choices->size;
  const bool done = shape.values != nullptr
                        ? AddCandidates(*this, shape, item.level, choices)
                        : AddSimple(shape, choices) && AddNumbers(work, grammar, shape, choices) &&
                              AddStrings(*this, shape, choices) &&
                              AddArrays(*this, shape, item.level, choices) &&
                              AddObjects(*this, shape, item.level, choices);
  if (done && choices->size == n) NoteEmpty(shape, item);
  return done && work.status.ok();
}

// Says why a set has no value.
void SchemaCompiler::NoteEmpty(const SchemaShape& shape, const Item& item) {
  const char* reason = "no value is valid: its constraints contradict each other";
  if (shape.types == 0) {
    return work.NoteEmpty(shape.narrowed, "type", "no value is valid: types exclude each other");
  }
  if (shape.values != nullptr) {
    reason = "no value is valid: none of enum or const obeys the other constraints";
  } else if (shape.lower.value != nullptr && shape.upper.value != nullptr) {
    reason = "no value is valid: the minimum is above the maximum";
  } else if (shape.length.min > shape.length.max || shape.items.min > shape.items.max ||
             shape.properties.min > shape.properties.max) {
    reason = "no value is valid: a minimum is above its maximum";
  }
  const bool has_place = shape.schemas.n > 0;
  work.NoteEmpty(has_place ? shape.schemas.ids[shape.schemas.n - 1] : item.origin,
                 has_place ? std::string_view() : item.keyword, reason);
}

bool SchemaCompiler::AddSimple(const SchemaShape& shape, Vec<NodeId>* choices) {
  static constexpr struct {
    unsigned type;
    const char* text;
  } kTexts[] = {{kNullType, "null"}, {kBooleanType, "true"}, {kBooleanType, "false"}};
  for (const auto& [type, text] : kTexts) {
    NodeId node = 0;
    if ((shape.types & type) != 0 && (!nodes.Bytes(text, &node) || !nodes.Push(node, choices))) {
      return false;
    }
  }
  return true;
}

// Without an indentation: the text and, if the options say so, a space that may follow it.
bool SchemaCompiler::AddSpaced(std::string_view text, NodeId* node) {
  NodeId plain = 0, space = 0, either = 0;
  if (!work.options.may_space) return nodes.Bytes(text, node);
  return nodes.Bytes(text, &plain) && nodes.Bytes(" ", &space) &&
         nodes.Repeat(space, 0, 1, &either) && nodes.Sequence({plain, either}, node);
}

bool SchemaCompiler::AddColon(std::string_view text, NodeId* node) {
  if (work.options.indent == 0) return AddSpaced(text, node);
  NodeId before = 0, space = 0;
  return nodes.Bytes(text, &before) && nodes.Bytes(" ", &space) &&
         nodes.Sequence({before, space}, node);
}

bool SchemaCompiler::AddBreak(std::string_view before, unsigned level, std::string_view behind,
                              NodeId* node) {
  if (work.options.indent == 0 && !before.empty()) {
    NodeId comma = 0, rest = 0;
    return AddSpaced(before, &comma) && nodes.Bytes(behind, &rest) &&
           nodes.Sequence({comma, rest}, node);
  }
  const size_t n_spaces = work.options.indent > 0 ? 1 + size_t{work.options.indent} * level : 0;
  char* const text = work.bump.New<char>(before.size() + n_spaces + behind.size());
  if (text == nullptr) return work.FailMemory();
  char* at = std::copy(before.begin(), before.end(), text);
  if (n_spaces > 0) {
    *at++ = '\n';
    at = std::fill_n(at, n_spaces - 1, ' ');
  }
  at = std::copy(behind.begin(), behind.end(), at);
  return nodes.Bytes({text, static_cast<size_t>(at - text)}, node);
}

bool SchemaCompiler::AddCharacters(const SchemaCount& count, NodeId* node) {
  NodeId character = 0;
  if (!has_character_) {
    has_character_ = true;
    if (!nodes.Rule(&character_) ||
        !nodes.Check(AddJsonStringClass(nullptr, 0, true, &grammar, &character)) ||
        !nodes.Define(character_, character)) {
      return false;
    }
  }
  // A count repeats what it counts: a reference is small.
  const bool is_counted = count.min > 0 || count.max != kNoMaximum;
  const bool done = is_counted
                        ? nodes.Reference(character_, &character)
                        : nodes.Check(AddJsonStringClass(nullptr, 0, true, &grammar, &character));
  if (!done) return false;
  const bool is_open = count.max == kNoMaximum;
  if (count.min > GrammarLimits::kMaxRepeat ||
      (!is_open && count.max > GrammarLimits::kMaxRepeat)) {
    return work.FailLimit("a length is larger than 131072");
  }
  return nodes.Repeat(character, static_cast<uint32_t>(count.min),
                      is_open ? kUnbounded : static_cast<uint32_t>(count.max), node);
}

}  // namespace clamma
