// SPDX-License-Identifier: MIT
#include "engine/grammar/automaton.h"

#include <algorithm>

namespace clamma {
namespace {

bool ConsumesToken(const ProgramEdge& edge) {
  return edge.kind == EdgeKind::kToken || edge.kind == EdgeKind::kControl;
}

// Whether it consumes a byte that can be one of a plain character (VocabularyTrie).
bool ConsumesPlain(const ProgramEdge& edge) {
  const bool is_other = edge.low == edge.high && (edge.low == '"' || edge.low == '\\');
  return edge.kind == EdgeKind::kByte && edge.high >= 0x20 && !is_other;
}

}  // namespace

Status Automaton::Init(Memory& memory, const Program& program) {
  memory_ = &memory;
  program_ = &program;
  CLAMMA_RETURN_IF_ERROR(stacks_.Init(memory));
  CLAMMA_RETURN_IF_ERROR(set_.Resize(memory, AutomatonLimits::kMaxVisits));
  CLAMMA_RETURN_IF_ERROR(seen_.Resize(memory, uint64_t{2} * AutomatonLimits::kMaxVisits));
  CLAMMA_RETURN_IF_ERROR(Rehash(256));
  BeginSet();
  MatchState none = 0;
  CLAMMA_RETURN_IF_ERROR(CloseSet(&none));  // the first state is kNoMatch
  BeginSet();
  CLAMMA_RETURN_IF_ERROR(Visit(program.start(), kEmptyStack));
  return CloseSet(&start_);
}

Status Automaton::TooComplex() {
  return Status::Error(StatusCode::kLimit,
                       "the grammar is too ambiguous: a text may match it in too many ways");
}

void Automaton::BeginSet() {
  n_set_ = 0;
  can_end_ = false;
  if (++round_ != 0) return;
  round_ = 1;  // 2^32 rounds: old marks must not seem new
  std::fill_n(seen_.data(), seen_.size(), Seen());
}

// Adds a position to the set, unless it has it.
Status Automaton::Visit(uint32_t at, StackId stack) {
  uint64_t hash = (uint64_t{stack} << 32 | at) * 0x9e3779b97f4a7c15u;
  hash ^= hash >> 32;
  const size_t mask = seen_.size() - 1;
  size_t slot = static_cast<size_t>(hash * 0x9e3779b97f4a7c15u >> 32) & mask;
  const Position position = {at, stack};
  for (; seen_[slot].round == round_; slot = (slot + 1) & mask) {
    if (seen_[slot].position == position) return Status();
  }
  if (n_set_ == set_.size()) return TooComplex();
  seen_[slot] = {position, round_};
  set_[n_set_++] = position;
  return Status();
}

// Visits where the position leads without a byte.
Status Automaton::FollowEmpty(Position position) {
  if (program_->IsEnd(position.at)) {
    if (position.stack == kEmptyStack) {
      can_end_ = true;
      return Status();
    }
    return Visit(stacks_.top(position.stack), stacks_.below(position.stack));
  }
  const ProgramEdge* const end = program_->edges_end(position.at);
  for (const ProgramEdge* edge = program_->edges_begin(position.at); edge != end; ++edge) {
    ++work_;
    if (edge->kind == EdgeKind::kEmpty) CLAMMA_RETURN_IF_ERROR(Visit(edge->to, position.stack));
    if (edge->kind != EdgeKind::kCall) continue;
    StackId stack = position.stack;
    // A rule that ends with the call need not be returned to.
    if (!program_->IsEnd(edge->to)) CLAMMA_RETURN_IF_ERROR(stacks_.Push(stack, edge->to, &stack));
    CLAMMA_RETURN_IF_ERROR(Visit(program_->rule(edge->what).start, stack));
  }
  return Status();
}

// Completes the set by what is reached without bytes, keeps the positions at which bytes or tokens
// go on, and returns its state.
Status Automaton::CloseSet(MatchState* state) {
  for (uint32_t i = 0; i < n_set_; ++i) {
    if (work_ > AutomatonLimits::kMaxWork) return TooComplex();
    CLAMMA_RETURN_IF_ERROR(FollowEmpty(set_[i]));
  }
  const auto consumes = [this](const Position& position) {
    const ProgramEdge* const begin = program_->edges_begin(position.at);
    return std::any_of(begin, program_->edges_end(position.at), [](const ProgramEdge& edge) {
      return edge.kind == EdgeKind::kByte || ConsumesToken(edge);
    });
  };
  Position* const begin = set_.data();
  Position* const end =
      std::remove_if(begin, begin + n_set_, [&](const Position& p) { return !consumes(p); });
  n_set_ = static_cast<uint32_t>(end - begin);
  std::sort(begin, end);
  const uint32_t hash = HashSet();
  const size_t mask = slots_.size() - 1;
  if (n_set_ == 0 && !can_end_ && n_states_ > 0) {
    *state = kNoMatch;
    return Status();
  }
  for (size_t slot = hash & mask; slots_[slot] != 0; slot = (slot + 1) & mask) {
    if (!SameSet(states_[slots_[slot]], hash)) continue;
    *state = slots_[slot];
    return Status();
  }
  return AddState(hash, state);
}

uint32_t Automaton::HashSet() const {
  uint64_t hash = can_end_ ? 1 : 0;
  for (uint32_t i = 0; i < n_set_; ++i) {
    hash = (hash ^ set_[i].at) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ hash >> 29 ^ set_[i].stack) * 0x9e3779b97f4a7c15u;
  }
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

bool Automaton::SameSet(const State& state, uint32_t hash) const {
  return state.hash == hash && state.n_positions == n_set_ && state.can_end == can_end_ &&
         std::equal(set_.data(), set_.data() + n_set_, positions_.data() + state.first_position);
}

Status Automaton::Reserve(uint32_t n_positions) {
  const uint64_t row_bytes = uint64_t{program_->n_classes()} * sizeof(MatchState);
  if (n_states_ == AutomatonLimits::kMaxStates ||
      (n_states_ + 1) * row_bytes > AutomatonLimits::kMaxRowBytes ||
      n_positions > AutomatonLimits::kMaxPositions - n_positions_) {
    return TooComplex();
  }
  if (n_states_ == states_.size()) {
    const uint64_t size = std::max<uint64_t>(64, uint64_t{2} * n_states_);
    CLAMMA_RETURN_IF_ERROR(states_.Resize(*memory_, size));
  }
  Array<MatchState>& block = rows_[n_states_ / kBlockStates];
  if (block.size() == 0) {
    CLAMMA_RETURN_IF_ERROR(block.Resize(*memory_, uint64_t{kBlockStates} * program_->n_classes()));
  }
  const uint64_t needed = uint64_t{n_positions_} + n_positions;
  if (needed > positions_.size()) {
    CLAMMA_RETURN_IF_ERROR(
        positions_.Resize(*memory_, std::max<uint64_t>(needed, uint64_t{2} * positions_.size())));
  }
  return 2 * (size_t{n_states_} + 1) <= slots_.size() ? Status()
                                                      : Rehash(uint64_t{2} * slots_.size());
}

// Adds the set as a state of which nothing is known yet.
Status Automaton::AddState(uint32_t hash, MatchState* state) {
  CLAMMA_RETURN_IF_ERROR(Reserve(n_set_));
  State added = {n_positions_, n_set_, hash, kNoMatch, can_end_, false};
  for (uint32_t i = 0; i < n_set_; ++i) {
    const ProgramEdge* const begin = program_->edges_begin(set_[i].at);
    added.has_token_edges |= std::any_of(begin, program_->edges_end(set_[i].at), ConsumesToken);
  }
  std::copy_n(set_.data(), n_set_, positions_.data() + n_positions_);
  n_positions_ += n_set_;
  const size_t n_classes = program_->n_classes();
  std::fill_n(row(n_states_), n_classes, n_states_ == 0 ? kNoMatch : kUnknown);
  states_[n_states_] = added;
  *state = n_states_++;
  if (*state == kNoMatch) return Status();
  size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = *state;
  return Status();
}

// `size` is a power of 2.
Status Automaton::Rehash(uint64_t size) {
  CLAMMA_RETURN_IF_ERROR(slots_.Resize(*memory_, size));
  std::fill_n(slots_.data(), slots_.size(), 0u);
  for (MatchState id = 1; id < n_states_; ++id) {
    size_t slot = states_[id].hash & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = id;
  }
  return Status();
}

// Finds where the byte leads, and remembers that for all bytes around it that are on the same
// edges.
Status Automaton::Compute(MatchState state, uint8_t byte, MatchState* next) {
  BeginSet();
  const State from = states_[state];
  unsigned low = 0;
  unsigned high = 255;
  for (uint32_t i = 0; i < from.n_positions; ++i) {
    const Position position = positions_[from.first_position + i];
    const ProgramEdge* const end = program_->edges_end(position.at);
    for (const ProgramEdge* edge = program_->edges_begin(position.at); edge != end; ++edge) {
      ++work_;
      if (edge->kind != EdgeKind::kByte) continue;
      if (byte < edge->low) {
        high = std::min(high, edge->low - 1u);
      } else if (byte > edge->high) {
        low = std::max(low, edge->high + 1u);
      } else {
        low = std::max<unsigned>(low, edge->low);
        high = std::min<unsigned>(high, edge->high);
        CLAMMA_RETURN_IF_ERROR(Visit(edge->to, position.stack));
      }
    }
  }
  CLAMMA_RETURN_IF_ERROR(CloseSet(next));
  const unsigned first = program_->class_of(static_cast<uint8_t>(low));
  const unsigned last = program_->class_of(static_cast<uint8_t>(high));
  std::fill_n(row(state) + first, last - first + 1, *next);
  return Status();
}

Status Automaton::NextByToken(MatchState state, TokenId token, bool is_silent, MatchState* next) {
  BeginSet();
  const State from = states_[state];
  for (uint32_t i = 0; from.has_token_edges && i < from.n_positions; ++i) {
    const Position position = positions_[from.first_position + i];
    const ProgramEdge* const end = program_->edges_end(position.at);
    for (const ProgramEdge* edge = program_->edges_begin(position.at); edge != end; ++edge) {
      const bool is_named = edge->what == static_cast<uint32_t>(token);
      const bool leads = edge->kind == EdgeKind::kToken
                             ? is_named != edge->negated
                             : edge->kind == EdgeKind::kControl && is_silent;
      if (!leads) continue;
      CLAMMA_RETURN_IF_ERROR(Visit(edge->to, position.stack));
    }
  }
  return CloseSet(next);
}

Status Automaton::Join(MatchState a, MatchState b, MatchState* joined) {
  BeginSet();
  for (const MatchState id : {a, b}) {
    const State& state = states_[id];
    can_end_ |= state.can_end;
    for (uint32_t i = 0; i < state.n_positions; ++i) {
      const Position position = positions_[state.first_position + i];
      CLAMMA_RETURN_IF_ERROR(Visit(position.at, position.stack));
    }
  }
  return CloseSet(joined);
}

Status Automaton::Detach(MatchState state, MatchState* detached) {
  MatchState found = states_[state].detached;
  if (found == kNoMatch) {
    BeginSet();
    const State from = states_[state];
    can_end_ = from.can_end;
    for (const bool all : {false, true}) {
      for (uint32_t i = 0; i < from.n_positions && (!all || n_set_ == 0); ++i) {
        const uint32_t at = positions_[from.first_position + i].at;
        const ProgramEdge* const begin = program_->edges_begin(at);
        if (!all && std::none_of(begin, program_->edges_end(at), ConsumesPlain)) continue;
        CLAMMA_RETURN_IF_ERROR(Visit(at, kEmptyStack));
      }
    }
    CLAMMA_RETURN_IF_ERROR(CloseSet(&found));
    states_[found].detached = found;
    states_[state].detached = found;
  }
  *detached = found;
  return Status();
}

// The kept states are few, and become the first ones behind kNoMatch.
Status Automaton::Trim(MatchState* kept) {
  MatchState* const ids[] = {&start_, kept};
  Array<StackId> stacks;
  CLAMMA_RETURN_IF_ERROR(stacks.Resize(*memory_, stacks_.size()));
  Array<Position> sets[2];
  State states[2];
  for (size_t k = 0; k < 2; ++k) {
    states[k] = states_[*ids[k]];
    CLAMMA_RETURN_IF_ERROR(sets[k].Resize(*memory_, states[k].n_positions));
    for (uint32_t i = 0; i < states[k].n_positions; ++i) {
      sets[k][i] = positions_[states[k].first_position + i];
      stacks[sets[k][i].stack] = 1;
    }
  }
  CLAMMA_RETURN_IF_ERROR(stacks_.Trim(&stacks));
  n_states_ = 1;
  n_positions_ = 0;
  ++generation_;
  work_ = 0;
  CLAMMA_RETURN_IF_ERROR(Rehash(slots_.size()));
  for (size_t k = 0; k < 2; ++k) {
    for (uint32_t i = 0; i < states[k].n_positions; ++i) {
      sets[k][i].stack = stacks[sets[k][i].stack];
    }
    CLAMMA_RETURN_IF_ERROR(Restore(sets[k], states[k].can_end, ids[k]));
  }
  return Status();
}

Status Automaton::Restore(const Array<Position>& set, bool can_end, MatchState* state) {
  BeginSet();
  can_end_ = can_end;
  for (size_t i = 0; i < set.size(); ++i) {
    CLAMMA_RETURN_IF_ERROR(Visit(set[i].at, set[i].stack));
  }
  return CloseSet(state);
}

}  // namespace clamma
