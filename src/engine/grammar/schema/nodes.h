// SPDX-License-Identifier: MIT
// Adds nodes to a grammar, for code that reports failures through a SchemaWork.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_NODES_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_NODES_H_

#include <initializer_list>
#include <string_view>

#include "engine/grammar/grammar.h"
#include "engine/grammar/schema/work.h"

namespace clamma {

class NodeAdder {
 public:
  NodeAdder(SchemaWork& work, Grammar& grammar) : work_(work), grammar_(grammar) {}

  bool Bytes(std::string_view bytes, NodeId* node) { return Check(grammar_.AddBytes(bytes, node)); }
  bool Sequence(std::initializer_list<NodeId> children, NodeId* node) {
    return Check(grammar_.AddSequence(children.begin(), children.size(), node));
  }
  bool Choice(const Vec<NodeId>& children, NodeId* node) {
    if (children.size == 1) {
      *node = children[0];
      return true;
    }
    return Check(grammar_.AddChoice(children.items, children.size, node));
  }
  bool Repeat(NodeId child, uint32_t min, uint32_t max, NodeId* node) {
    return Check(grammar_.AddRepeat(child, min, max, node));
  }
  bool Reference(RuleId rule, NodeId* node) { return Check(grammar_.AddReference(rule, node)); }
  bool Rule(RuleId* rule) { return Check(grammar_.AddRule({}, rule)); }
  bool Define(RuleId rule, NodeId body) { return Check(grammar_.DefineRule(rule, body)); }
  bool Push(NodeId node, Vec<NodeId>* list) {
    return list->Add(work_.bump, node) || work_.FailMemory();
  }
  bool Check(const Status& status) { return status.ok() || work_.Fail(status); }

 private:
  SchemaWork& work_;
  Grammar& grammar_;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_NODES_H_
