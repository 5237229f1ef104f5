// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/set_rules.h"

#include <algorithm>

#include "engine/grammar/regex.h"
#include "engine/grammar/schema/nodes.h"

namespace clamma {
namespace {

constexpr CodeRange kAll = {0, kMaxCodePoint};

}  // namespace

bool StringSetRules::Start() {
  is_live_ = work_.bump.New<bool>(set_.n_states);
  rules_ = work_.bump.New<RuleId>(set_.n_states);
  marks_ = work_.bump.New<uint32_t>(set_.n_states);
  if (is_live_ == nullptr || rules_ == nullptr || marks_ == nullptr) return work_.FailMemory();
  std::fill(rules_, rules_ + set_.n_states, kNoRule);
  for (bool changed = true; changed;) {
    changed = false;
    if (!work_.Step(set_.n_states)) return false;
    for (uint32_t i = set_.n_states; i-- > 0;) {
      if (is_live_[i] || !set_.is_live[i]) continue;
      bool is_live = set_.labels[i] == label_;
      for (uint32_t c = 0; c < set_.n_classes && !is_live; ++c) {
        is_live = !IsSurrogate(set_.classes[c]) && is_live_[set_.Next(i, c)];
      }
      is_live_[i] = is_live;
      changed = changed || is_live;
    }
  }
  return true;
}

bool StringSetRules::AddNode(uint32_t state, NodeId* node) {
  NodeAdder nodes(work_, grammar_);
  if (rules_[state] == kNoRule) {
    if (!nodes.Rule(&rules_[state])) return false;
    if (!pending_.Add(work_.bump, state)) return work_.FailMemory();
  }
  return nodes.Reference(rules_[state], node);
}

// The characters of a range that lead from one state to another.
bool StringSetRules::AddClass(uint32_t from, uint32_t to, CodeRange range, NodeId* node,
                              bool* is_there) {
  Vec<CodeRange> ranges;
  if (!work_.Step(set_.n_classes / 4)) return false;
  for (uint32_t c = 0; c < set_.n_classes; ++c) {
    if (set_.Next(from, c) != to || IsSurrogate(set_.classes[c])) continue;
    const CodeRange part = {std::max(set_.classes[c], range.first),
                            std::min(set_.ClassLast(c), range.last)};
    if (part.first > part.last) continue;
    if (!ranges.Add(work_.bump, part)) return work_.FailMemory();
  }
  *is_there = ranges.size > 0;
  if (!*is_there) return true;
  const Status added = is_json_
                           ? AddJsonStringClass(ranges.items, ranges.size, false, &grammar_, node)
                           : grammar_.AddClass(ranges.items, ranges.size, false, node);
  return added.ok() || work_.Fail(added);
}

bool StringSetRules::AddMoves(uint32_t state, CodeRange range, bool without_loop,
                              Vec<NodeId>* choices) {
  NodeAdder nodes(work_, grammar_);
  ++mark_;
  for (uint32_t c = 0; c < set_.n_classes; ++c) {
    const uint32_t to = set_.Next(state, c);
    if (!work_.Step() || IsSurrogate(set_.classes[c]) || !is_live_[to]) continue;
    if (without_loop && to == state) continue;
    if (marks_[to] == mark_) continue;  // another class leads there, too
    marks_[to] = mark_;
    NodeId characters = 0, rest = 0, both = 0;
    bool is_there = false;
    if (!AddClass(state, to, range, &characters, &is_there)) return false;
    if (!is_there) continue;
    if (!AddNode(to, &rest) || !nodes.Sequence({characters, rest}, &both) ||
        !nodes.Push(both, choices)) {
      return false;
    }
  }
  return work_.status.ok();
}

bool StringSetRules::AddCharacters(uint32_t state, CodeRange range, NodeId* node, bool* is_there) {
  Vec<NodeId> choices;
  if (!AddMoves(state, range, false, &choices)) return false;
  *is_there = choices.size > 0;
  return !*is_there || NodeAdder(work_, grammar_).Choice(choices, node);
}

// A state that leads back to itself begins with a repetition.
bool StringSetRules::Define(uint32_t state) {
  NodeAdder nodes(work_, grammar_);
  Vec<NodeId> choices;
  NodeId node = 0;
  if (!AddMoves(state, kAll, true, &choices)) return false;
  if (set_.labels[state] == label_ && (!nodes.Sequence({}, &node) || !nodes.Push(node, &choices))) {
    return false;
  }
  NodeId body = 0, loop = 0;
  bool has_loop = false;
  if (!nodes.Choice(choices, &body) || !AddClass(state, state, kAll, &loop, &has_loop)) {
    return false;
  }
  if (has_loop && is_live_[state] &&
      (!nodes.Repeat(loop, 0, kUnbounded, &node) || !nodes.Sequence({node, body}, &body))) {
    return false;
  }
  return nodes.Define(rules_[state], body);
}

bool StringSetRules::Finish() {
  for (size_t i = 0; i < pending_.size; ++i) {
    if (!Define(pending_[i])) return false;
  }
  pending_.size = 0;
  return true;
}

}  // namespace clamma
