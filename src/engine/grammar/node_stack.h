// SPDX-License-Identifier: MIT
// The nodes that a recursive parser has read and not yet put into a sequence or a choice.
#ifndef CLAMMA_ENGINE_GRAMMAR_NODE_STACK_H_
#define CLAMMA_ENGINE_GRAMMAR_NODE_STACK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/grammar/grammar.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

class NodeStack {
 public:
  explicit NodeStack(Grammar* grammar) : grammar_(grammar) {}

  size_t size() const { return size_; }
  NodeId& top() { return nodes_[size_ - 1]; }

  Status Push(NodeId node) {
    if (size_ == nodes_.size()) {
      CLAMMA_RETURN_IF_ERROR(
          nodes_.Resize(grammar_->memory(), std::max<uint64_t>(64, uint64_t{2} * size_)));
    }
    nodes_[size_++] = node;
    return Status();
  }

  // Removes the nodes above `base` and adds one of all of them: itself, if there is only one.
  Status PopSequence(size_t base, NodeId* node) { return Pop(base, &Grammar::AddSequence, node); }
  Status PopChoice(size_t base, NodeId* node) { return Pop(base, &Grammar::AddChoice, node); }

 private:
  using Add = Status (Grammar::*)(const NodeId* children, size_t n, NodeId* node);
  Status Pop(size_t base, Add add, NodeId* node) {
    const size_t n = size_ - base;
    size_ = base;
    if (n == 1) {
      *node = nodes_[base];
      return Status();
    }
    return (grammar_->*add)(nodes_.data() + base, n, node);
  }

  Grammar* grammar_;
  Array<NodeId> nodes_;
  size_t size_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_NODE_STACK_H_
