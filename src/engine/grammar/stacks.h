// SPDX-License-Identifier: MIT
// The stacks of an automaton: where each open rule continues. Equal stacks have equal ids.
#ifndef CLAMMA_ENGINE_GRAMMAR_STACKS_H_
#define CLAMMA_ENGINE_GRAMMAR_STACKS_H_

#include <cstddef>
#include <cstdint>

#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

using StackId = uint32_t;
inline constexpr StackId kEmptyStack = 0;

class Stacks {
 public:
  static constexpr uint32_t kMaxStacks = 1u << 19;
  static constexpr uint32_t kMaxDepth = 4096;

  Status Init(Memory& memory);

  // The stack with `state` on top of `below`.
  Status Push(StackId below, uint32_t state, StackId* stack);
  uint32_t top(StackId stack) const { return nodes_[stack].top; }
  StackId below(StackId stack) const { return nodes_[stack].below; }

  // Removes all stacks except those marked in `kept` (size()) and what is below them. Sets each
  // entry of `kept` that stays to its new id.
  Status Trim(Array<StackId>* kept);
  uint32_t size() const { return n_nodes_; }

 private:
  struct Node {
    uint32_t top;
    StackId below;
    uint32_t depth;
  };

  size_t SlotOf(StackId below, uint32_t state) const;
  Status Rehash(uint64_t size);

  Memory* memory_ = nullptr;
  Array<Node> nodes_;  // nodes_[0] is the empty stack; what is below has a smaller id
  uint32_t n_nodes_ = 0;
  Array<StackId> slots_;  // open-addressing hash table; 0: free
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_STACKS_H_
