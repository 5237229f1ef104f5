// SPDX-License-Identifier: MIT
#include "engine/grammar/stacks.h"

#include <algorithm>

namespace clamma {

Status Stacks::Init(Memory& memory) {
  memory_ = &memory;
  CLAMMA_RETURN_IF_ERROR(nodes_.Resize(memory, 64));
  n_nodes_ = 1;
  return Rehash(128);
}

size_t Stacks::SlotOf(StackId below, uint32_t state) const {
  uint64_t hash = (uint64_t{below} << 32 | state) * 0x9e3779b97f4a7c15u;
  hash ^= hash >> 32;
  return static_cast<size_t>(hash * 0x9e3779b97f4a7c15u >> 32) & (slots_.size() - 1);
}

// `size` is a power of 2.
Status Stacks::Rehash(uint64_t size) {
  CLAMMA_RETURN_IF_ERROR(slots_.Resize(*memory_, size));
  std::fill_n(slots_.data(), slots_.size(), kEmptyStack);
  for (StackId id = 1; id < n_nodes_; ++id) {
    size_t slot = SlotOf(nodes_[id].below, nodes_[id].top);
    while (slots_[slot] != kEmptyStack) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = id;
  }
  return Status();
}

Status Stacks::Push(StackId below, uint32_t state, StackId* stack) {
  size_t slot = SlotOf(below, state);
  for (; slots_[slot] != kEmptyStack; slot = (slot + 1) & (slots_.size() - 1)) {
    const Node& node = nodes_[slots_[slot]];
    if (node.below != below || node.top != state) continue;
    *stack = slots_[slot];
    return Status();
  }
  const uint32_t depth = nodes_[below].depth + 1;
  if (depth > kMaxDepth) {
    return Status::Error(StatusCode::kLimit,
                         "the text is nested too deeply for its grammar: more than %u open rules",
                         static_cast<unsigned>(kMaxDepth));
  }
  if (n_nodes_ == kMaxStacks) {
    return Status::Error(StatusCode::kLimit, "the grammar has more than %u ways to go on",
                         static_cast<unsigned>(kMaxStacks));
  }
  if (n_nodes_ == nodes_.size()) {
    CLAMMA_RETURN_IF_ERROR(nodes_.Resize(*memory_, uint64_t{2} * n_nodes_));
  }
  nodes_[n_nodes_] = {state, below, depth};
  *stack = n_nodes_++;
  slots_[slot] = *stack;
  return 2 * size_t{n_nodes_} <= slots_.size() ? Status() : Rehash(uint64_t{2} * slots_.size());
}

Status Stacks::Trim(Array<StackId>* kept) {
  Array<StackId>& ids = *kept;
  for (StackId id = n_nodes_ - 1; id > 0; --id) {
    if (ids[id] != 0) ids[nodes_[id].below] = 1;
  }
  ids[kEmptyStack] = kEmptyStack;
  uint32_t n = 1;
  for (StackId id = 1; id < n_nodes_; ++id) {
    if (ids[id] == 0) continue;
    nodes_[n] = {nodes_[id].top, ids[nodes_[id].below], nodes_[id].depth};
    ids[id] = n++;
  }
  n_nodes_ = n;
  return Rehash(slots_.size());
}

}  // namespace clamma
