// SPDX-License-Identifier: MIT
// From a node of a grammar to a StringSet: a machine with empty moves, then sets of its states.
#include <algorithm>
#include <cstring>

#include "chat/template/unicode.h"
#include "engine/grammar/schema/string_set.h"
#include "engine/grammar/schema/string_set_builder.h"

namespace clamma {
namespace {

// A state that moves on a character of its ranges, or on nothing.
struct Move {
  const CodeRange* ranges = nullptr;  // nullptr: on nothing
  size_t n_ranges = 0;
  uint32_t to[2] = {0, 0};  // the second one only on nothing
  uint32_t n_to = 0;
};

class MoveBuilder {
 public:
  MoveBuilder(SchemaWork& work, const Grammar& grammar) : work_(work), grammar_(grammar) {}

  // Adds what matches the node and goes on at *state, which becomes where it begins.
  bool Add(NodeId id, uint32_t* state);
  bool AddState(const Move& move, uint32_t* state) {
    if (moves.size == kMaxMoves) {
      return work_.FailLimit("a pattern is too large beside other constraints");
    }
    *state = static_cast<uint32_t>(moves.size);
    return moves.Add(work_.bump, move) || work_.FailMemory();
  }

  Vec<Move> moves;

 private:
  static constexpr size_t kMaxMoves = 8192;

  bool AddBytes(std::string_view bytes, uint32_t* state);
  bool AddChoice(const GrammarNode& node, uint32_t* state);
  bool AddRepeat(const GrammarNode& node, uint32_t* state);
  bool AddRanges(const CodeRange* ranges, size_t n, uint32_t* state) {
    return AddState({.ranges = ranges, .n_ranges = n, .to = {*state, 0}, .n_to = 1}, state);
  }

  SchemaWork& work_;
  const Grammar& grammar_;
};

bool MoveBuilder::Add(NodeId id, uint32_t* state) {
  const GrammarNode& node = grammar_.node(id);
  switch (node.kind) {
    case NodeKind::kBytes:
      return AddBytes(grammar_.bytes(node), state);
    case NodeKind::kClass:
      return AddRanges(grammar_.ranges(node), node.count, state);
    case NodeKind::kSequence:
      for (uint32_t i = node.count; i-- > 0;) {
        if (!Add(grammar_.children(node)[i], state)) return false;
      }
      return true;
    case NodeKind::kChoice:
      return AddChoice(node, state);
    case NodeKind::kRepeat:
      return AddRepeat(node, state);
    default:
      return work_.FailLimit("a pattern refers to rules or tokens");
  }
}

bool MoveBuilder::AddBytes(std::string_view bytes, uint32_t* state) {
  Vec<CodeRange> characters;
  for (size_t i = 0; i < bytes.size();) {
    const Character character = CharacterAt(bytes, i);
    i += character.length;
    if (!characters.Add(work_.bump, {character.code_point, character.code_point})) {
      return work_.FailMemory();
    }
  }
  for (size_t i = characters.size; i-- > 0;) {
    if (!AddRanges(&characters[i], 1, state)) return false;
  }
  return true;
}

bool MoveBuilder::AddChoice(const GrammarNode& node, uint32_t* state) {
  const uint32_t end = *state;
  uint32_t others = 0;
  if (!AddState({}, &others)) return false;  // which leads nowhere
  for (uint32_t i = node.count; i-- > 0;) {
    uint32_t begin = end;
    if (!Add(grammar_.children(node)[i], &begin) ||
        !AddState({.to = {begin, others}, .n_to = 2}, &others)) {
      return false;
    }
  }
  *state = others;
  return true;
}

bool MoveBuilder::AddRepeat(const GrammarNode& node, uint32_t* state) {
  const uint32_t min = node.count;
  if (node.max == kUnbounded) {
    uint32_t loop = 0;
    if (!AddState({.to = {*state, *state}, .n_to = 2}, &loop)) return false;
    uint32_t begin = loop;
    if (!Add(node.first, &begin)) return false;
    moves[loop].to[1] = begin;
    *state = loop;
  } else {
    const uint32_t end = *state;
    for (uint32_t i = min; i < node.max; ++i) {
      uint32_t begin = *state;
      if (!Add(node.first, &begin) || !AddState({.to = {begin, end}, .n_to = 2}, state)) {
        return false;
      }
    }
  }
  for (uint32_t i = 0; i < min; ++i) {
    if (!Add(node.first, state)) return false;
  }
  return true;
}

// The states of the result are sets of states, as bits.
class SubsetMachine {
 public:
  SubsetMachine(const Vec<Move>& moves, uint32_t start, const Vec<uint32_t>& classes,
                uint32_t* stack)
      : moves_(moves), start_(start), classes_(classes), stack_(stack), has_tail_(HasTail(moves)) {}

  size_t n_words() const { return moves_.size / 32 + 1; }
  void Start(uint32_t* state) {
    std::fill(state, state + n_words(), 0u);
    Close(start_, state);
  }
  void Next(const uint32_t* state, uint32_t c, uint32_t* next) {
    std::fill(next, next + n_words(), 0u);
    if (IsSurrogate(classes_[c])) return;
    for (uint32_t i = 0; i < moves_.size; ++i) {
      if (state[i / 32] == 0) {
        i |= 31;
      } else if (Has(state, i) && Allows(moves_[i], classes_[c])) {
        Close(moves_[i].to[0], next);
      }
    }
    // Anything may follow the end, so other ways to match do not matter.
    if (has_tail_ && Has(next, 0) && Has(next, kTail)) {
      std::fill(next, next + n_words(), 0u);
      Close(kTail, next);
    }
  }
  uint32_t Label(const uint32_t* state) const { return Has(state, 0) ? 1 : 0; }

 private:
  // State 0 is the end, where nothing moves. If an expression ends in a repetition of any
  // character, that begins in the state kTail.
  static constexpr uint32_t kTail = 1;
  static bool HasTail(const Vec<Move>& moves) {
    if (moves.size <= kTail || moves[kTail].n_to != 2 || moves[kTail].to[0] != 0) return false;
    const Move& body = moves[moves[kTail].to[1]];
    return body.n_ranges == 2 && body.to[0] == kTail && body.ranges[0].first == 0 &&
           body.ranges[0].last == 0xd7ff && body.ranges[1].first == 0xe000 &&
           body.ranges[1].last == kMaxCodePoint;
  }
  static bool Has(const uint32_t* state, uint32_t i) { return (state[i / 32] >> i % 32 & 1) != 0; }
  static bool Allows(const Move& move, uint32_t code_point) {
    for (size_t i = 0; i < move.n_ranges; ++i) {
      if (code_point >= move.ranges[i].first && code_point <= move.ranges[i].last) return true;
    }
    return false;
  }
  void Close(uint32_t from, uint32_t* state) {
    size_t n = 0;
    stack_[n++] = from;
    state[from / 32] |= 1u << from % 32;
    while (n > 0) {
      const Move& move = moves_[stack_[--n]];
      if (move.ranges != nullptr) continue;
      for (uint32_t i = 0; i < move.n_to; ++i) {
        const uint32_t to = move.to[i];
        if (Has(state, to)) continue;
        state[to / 32] |= 1u << to % 32;
        stack_[n++] = to;
      }
    }
  }

  const Vec<Move>& moves_;
  const uint32_t start_;
  const Vec<uint32_t>& classes_;
  uint32_t* const stack_;
  const bool has_tail_;
};

}  // namespace

bool StringsOfNode(SchemaWork& work, const Grammar& grammar, NodeId node, StringSet* set) {
  MoveBuilder builder(work, grammar);
  uint32_t start = 0;
  if (!builder.AddState({}, &start) || !builder.Add(node, &start)) return false;
  Vec<uint32_t> classes;
  for (const Move& move : builder.moves) {
    for (size_t i = 0; i < move.n_ranges; ++i) {
      if (!classes.Add(work.bump, move.ranges[i].first) ||
          !classes.Add(work.bump, move.ranges[i].last + 1)) {
        return work.FailMemory();
      }
    }
  }
  auto* const stack = work.bump.New<uint32_t>(builder.moves.size + 1);
  if (stack == nullptr) return work.FailMemory();
  if (!CompleteClasses(work, &classes)) return false;
  SubsetMachine machine(builder.moves, start, classes, stack);
  return BuildStringSet(work, machine, classes, set);
}

}  // namespace clamma
