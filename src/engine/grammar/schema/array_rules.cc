// SPDX-License-Identifier: MIT
// Arrays: elements with schemas of their own, each a rule that leads to the next, then a
// repetition.
#include <algorithm>

#include "engine/grammar/schema/children.h"
#include "engine/grammar/schema/compiler.h"

namespace clamma {
namespace {

class ArrayRules {
 public:
  ArrayRules(SchemaCompiler& compiler, const SchemaShape& shape, unsigned level)
      : compiler_(compiler), nodes_(compiler.nodes), shape_(shape), level_(level) {}

  bool Add(Vec<NodeId>* choices);

 private:
  bool LimitCount();
  bool AddElement(uint64_t index, NodeId* node);
  bool AddClose(uint64_t index, NodeId* node) {
    return index == 0 ? nodes_.Bytes("]", node) : compiler_.AddBreak({}, level_, "]", node);
  }
  bool AddRest(uint64_t index, NodeId* node);

  SchemaCompiler& compiler_;
  NodeAdder& nodes_;
  const SchemaShape& shape_;
  const unsigned level_;
  size_t n_prefix_ = 0;
  uint64_t max_ = kNoMaximum;
};

// An array ends before the first element for which no value is valid.
bool ArrayRules::LimitCount() {
  max_ = shape_.items.max;
  if (compiler_.IsTooDeep(level_ + 1)) max_ = 0;
  if (!CountPrefixItems(compiler_.work, shape_.schemas, &n_prefix_)) return false;
  for (size_t i = 0; i <= n_prefix_ && i < max_; ++i) {
    Vec<SchemaId> schemas;
    if (!ItemSchemas(compiler_.work, shape_.schemas, i, &schemas)) return false;
    if (schemas.size > 0 && schemas[0] == kFalseSchema) max_ = i;
  }
  return true;
}

// An element, and the comma and white space before it.
bool ArrayRules::AddElement(uint64_t index, NodeId* node) {
  Vec<SchemaId> schemas;
  RuleId rule = 0;
  NodeId before = 0, value = 0;
  const SchemaId origin = shape_.schemas.n > 0 ? shape_.schemas.ids[0] : 1;
  return ItemSchemas(compiler_.work, shape_.schemas, index, &schemas) &&
         compiler_.RuleOf(schemas, level_ + 1, origin, index < n_prefix_ ? "prefixItems" : "items",
                          &rule) &&
         compiler_.AddBreak(index == 0 ? "" : ",", level_ + 1, {}, &before) &&
         nodes_.Reference(rule, &value) && nodes_.Sequence({before, value}, node);
}

// The rest of an array from `index` on, where all elements have the same schemas, and the closing
// bracket.
bool ArrayRules::AddRest(uint64_t index, NodeId* node) {
  NodeId close = 0, element = 0, repeated = 0;
  if (!AddClose(index, &close)) return false;
  if (index == max_) {
    *node = close;
    return true;
  }
  const uint64_t min = shape_.items.min > index ? shape_.items.min - index : 0;
  const bool is_open = max_ == kNoMaximum;
  const uint64_t max = is_open ? 0 : max_ - index;
  if (min > GrammarLimits::kMaxRepeat || max > GrammarLimits::kMaxRepeat) {
    return compiler_.work.FailLimit("a number of items is larger than 131072");
  }
  return AddElement(index, &element) &&
         nodes_.Repeat(element, static_cast<uint32_t>(min),
                       is_open ? kUnbounded : static_cast<uint32_t>(max), &repeated) &&
         nodes_.Sequence({repeated, close}, node);
}

bool ArrayRules::Add(Vec<NodeId>* choices) {
  if (!LimitCount()) return false;
  if (shape_.items.min > max_) return true;
  // Built from the end: each element is a rule, which begins with it or ends the array.
  const uint64_t n_single = std::min<uint64_t>(std::max<size_t>(n_prefix_, 1), max_);
  NodeId rest = 0, open = 0, node = 0;
  if (!AddRest(n_single, &rest)) return false;
  for (uint64_t i = n_single; i-- > 0;) {
    NodeId element = 0, close = 0, reference = 0;
    RuleId rule = 0;
    Vec<NodeId> either;
    if (!AddElement(i, &element) || !nodes_.Sequence({element, rest}, &node) ||
        !nodes_.Push(node, &either)) {
      return false;
    }
    if (i >= shape_.items.min && (!AddClose(i, &close) || !nodes_.Push(close, &either))) {
      return false;
    }
    if (!nodes_.Choice(either, &node) || !nodes_.Rule(&rule) || !nodes_.Define(rule, node) ||
        !nodes_.Reference(rule, &reference)) {
      return false;
    }
    rest = reference;
  }
  return nodes_.Bytes("[", &open) && nodes_.Sequence({open, rest}, &node) &&
         nodes_.Push(node, choices);
}

}  // namespace

bool AddArrays(SchemaCompiler& compiler, const SchemaShape& shape, unsigned level,
               Vec<NodeId>* choices) {
  if ((shape.types & kArrayType) == 0 || shape.items.min > shape.items.max) return true;
  return ArrayRules(compiler, shape, level).Add(choices);
}

}  // namespace clamma
