// SPDX-License-Identifier: MIT
// Objects: the named properties in order, then free ones (free_keys.h). A rule stands for a place
// in this order and, as far as it matters, the number of properties before it.
#include <algorithm>

#include "engine/grammar/schema/children.h"
#include "engine/grammar/schema/compiler.h"
#include "engine/grammar/schema/free_keys.h"

namespace clamma {
namespace {

constexpr uint64_t kMaxPlaces = 1 << 15;  // times counts

class ObjectRules {
 public:
  ObjectRules(SchemaCompiler& compiler, const SchemaShape& shape, unsigned level)
      : compiler_(compiler),
        work_(compiler.work),
        nodes_(compiler.nodes),
        shape_(shape),
        level_(level) {}

  bool Add(Vec<NodeId>* choices);

 private:
  // A property, without the comma and white space before it.
  struct Place {
    NodeId property;
    bool is_required;
  };

  bool FindNames();
  bool AddName(std::string_view name, Dict* seen);
  bool AddNamedPlaces();
  bool AddPlaces();
  bool AddRules(NodeId* node);
  bool DefineRule(size_t place, uint64_t count, const Vec<RuleId>& next, RuleId rule);
  bool AddClose(uint64_t count, RuleId rule);

  SchemaCompiler& compiler_;
  SchemaWork& work_;
  NodeAdder& nodes_;
  const SchemaShape& shape_;
  const unsigned level_;
  Vec<std::string_view> names_;
  Vec<Place> places_;
  bool is_possible_ = true;
  uint64_t min_ = 0;
  uint64_t max_ = kNoMaximum;
  uint64_t last_count_ = 1;  // all larger counts are treated like this one
};

bool ObjectRules::AddName(std::string_view name, Dict* seen) {
  if (DictFind(*seen, name) != nullptr) return true;
  return (DictSet(work_.bump, *seen, name, Value::None()) && names_.Add(work_.bump, name)) ||
         work_.FailMemory();
}

// In order of appearance; those that are only required come last.
bool ObjectRules::FindNames() {
  Dict* const seen = NewDict(work_.bump);
  if (seen == nullptr) return work_.FailMemory();
  for (size_t i = 0; i < shape_.schemas.n; ++i) {
    const Dict* properties = nullptr;
    if (!FindObject(work_, shape_.schemas.ids[i], "properties", &properties)) return false;
    for (size_t k = 0; properties != nullptr && k < properties->size; ++k) {
      if (!AddName(properties->keys[k].str->view(), seen)) return false;
    }
  }
  return std::all_of(shape_.required.begin(), shape_.required.end(),
                     [&](std::string_view name) { return AddName(name, seen); });
}

bool ObjectRules::AddNamedPlaces() {
  const SchemaId origin = shape_.schemas.n > 0 ? shape_.schemas.ids[0] : 1;
  for (const std::string_view name : names_) {
    Vec<SchemaId> schemas;
    if (!work_.Step(shape_.required.size) ||
        !PropertySchemas(work_, shape_.schemas, name, &schemas)) {
      return false;
    }
    const bool is_required =
        std::find(shape_.required.begin(), shape_.required.end(), name) != shape_.required.end();
    if (schemas.size > 0 && schemas[0] == kFalseSchema) {
      if (!is_required) continue;
      work_.NoteEmpty(origin, "required", "no value is valid: a required property is forbidden");
      is_possible_ = false;
      return true;
    }
    RuleId rule = 0;
    NodeId key = 0, colon = 0, value = 0;
    Place place = {.property = 0, .is_required = is_required};
    if (!compiler_.RuleOf(schemas, level_ + 1, origin, "properties", &rule) ||
        !AddQuoted(compiler_, name, &key) || !compiler_.AddColon(":", &colon) ||
        !nodes_.Reference(rule, &value) || !nodes_.Sequence({key, colon, value}, &place.property)) {
      return false;
    }
    if (!places_.Add(work_.bump, place)) return work_.FailMemory();
  }
  return true;
}

bool ObjectRules::AddPlaces() {
  if (compiler_.IsTooDeep(level_ + 1)) {
    is_possible_ = shape_.required.size == 0;
    return true;
  }
  Vec<NodeId> classes;
  if (!FindNames() || !AddNamedPlaces()) return false;
  if (!is_possible_) return true;
  if (!AddFreeProperties(compiler_, shape_, names_, level_, &classes)) return false;
  for (const NodeId node : classes) {
    if (!places_.Add(work_.bump, {.property = node, .is_required = false})) {
      return work_.FailMemory();
    }
  }
  return true;
}

bool ObjectRules::AddClose(uint64_t count, RuleId rule) {
  NodeId node = 0;
  if (count < min_) return nodes_.Choice({}, &node) && nodes_.Define(rule, node);
  return (count == 0 ? nodes_.Bytes("}", &node) : compiler_.AddBreak({}, level_, "}", &node)) &&
         nodes_.Define(rule, node);
}

// Either the property of this place, or that of a later one.
bool ObjectRules::DefineRule(size_t place, uint64_t count, const Vec<RuleId>& next, RuleId rule) {
  Vec<NodeId> choices;
  NodeId before = 0, rest = 0, node = 0;
  if (count < max_) {
    if (!compiler_.AddBreak(count == 0 ? "" : ",", level_ + 1, {}, &before) ||
        !nodes_.Reference(next[std::min(count + 1, last_count_)], &rest) ||
        !nodes_.Sequence({before, places_[place].property, rest}, &node) ||
        !nodes_.Push(node, &choices)) {
      return false;
    }
  }
  if (!places_[place].is_required &&
      (!nodes_.Reference(next[count], &node) || !nodes_.Push(node, &choices))) {
    return false;
  }
  return nodes_.Choice(choices, &node) && nodes_.Define(rule, node);
}

bool ObjectRules::AddRules(NodeId* node) {
  Vec<RuleId> rules, next;
  for (size_t place = 0; place <= places_.size; ++place) {
    // Counts that cannot be reached here have no rules: there are as many properties as places.
    const uint64_t n_counts = std::min<uint64_t>(place, last_count_) + 1;
    const uint64_t n_next = std::min<uint64_t>(place + 1, last_count_) + 1;
    if (place == 0) {
      RuleId first = 0;
      if (!nodes_.Rule(&first) || !nodes_.Reference(first, node)) return false;
      if (!rules.Add(work_.bump, first)) return work_.FailMemory();
    }
    next = {};
    for (uint64_t i = 0; i < n_next && place < places_.size; ++i) {
      RuleId rule = 0;
      if (!nodes_.Rule(&rule)) return false;
      if (!next.Add(work_.bump, rule)) return work_.FailMemory();
    }
    for (uint64_t count = 0; count < n_counts; ++count) {
      const bool done = place == places_.size ? AddClose(count, rules[count])
                                              : DefineRule(place, count, next, rules[count]);
      if (!done) return false;
    }
    rules = next;
  }
  return true;
}

bool ObjectRules::Add(Vec<NodeId>* choices) {
  if (!AddPlaces()) return false;
  min_ = shape_.properties.min;
  if (!is_possible_ || min_ > places_.size) return true;
  if (shape_.properties.max < places_.size) max_ = shape_.properties.max;
  last_count_ = max_ == kNoMaximum ? std::max<uint64_t>(min_, 1) : max_;
  if ((places_.size + 1) * (last_count_ + 1) > kMaxPlaces) {
    return work_.FailLimit("too many properties to be counted");
  }
  NodeId open = 0, rest = 0, node = 0;
  return AddRules(&rest) && nodes_.Bytes("{", &open) && nodes_.Sequence({open, rest}, &node) &&
         nodes_.Push(node, choices);
}

}  // namespace

bool AddObjects(SchemaCompiler& compiler, const SchemaShape& shape, unsigned level,
                Vec<NodeId>* choices) {
  if ((shape.types & kObjectType) == 0 || shape.properties.min > shape.properties.max) return true;
  return ObjectRules(compiler, shape, level).Add(choices);
}

}  // namespace clamma
