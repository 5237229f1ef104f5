// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/productive.h"

#include <algorithm>

namespace clamma {
namespace {

// Whether a node matches a text, by what is known of rules and of the nodes before it.
bool MatchesText(const Grammar& grammar, const GrammarNode& node, const bool* nodes,
                 const bool* rules) {
  switch (node.kind) {
    case NodeKind::kClass:
      return node.count > 0;
    case NodeKind::kSequence: {
      const NodeId* const children = grammar.children(node);
      return std::all_of(children, children + node.count, [nodes](NodeId id) { return nodes[id]; });
    }
    case NodeKind::kChoice: {
      const NodeId* const children = grammar.children(node);
      return std::any_of(children, children + node.count, [nodes](NodeId id) { return nodes[id]; });
    }
    case NodeKind::kRepeat:
      return node.count == 0 || nodes[node.first];
    case NodeKind::kRule:
      return rules[node.first];
    default:
      return true;
  }
}

}  // namespace

bool IsProductive(SchemaWork& work, const Grammar& grammar, RuleId rule, bool* is_productive) {
  bool* const nodes = work.bump.New<bool>(grammar.n_nodes());
  bool* const rules = work.bump.New<bool>(grammar.n_rules());
  if (nodes == nullptr || rules == nullptr) return work.FailMemory();
  // Children have lower numbers than their parents.
  for (bool changed = true; changed;) {
    changed = false;
    if (!work.Step(grammar.n_nodes() / 8)) return false;
    for (NodeId id = 0; id < grammar.n_nodes(); ++id) {
      nodes[id] = nodes[id] || MatchesText(grammar, grammar.node(id), nodes, rules);
    }
    for (RuleId id = grammar.n_rules(); id-- > 0;) {
      if (rules[id] || !grammar.IsDefined(id) || !nodes[grammar.body(id)]) continue;
      rules[id] = changed = true;
    }
    if (rules[rule]) break;
  }
  *is_productive = rules[rule];
  return true;
}

}  // namespace clamma
