// SPDX-License-Identifier: MIT
// Runs a Program: a pushdown automaton over bytes, made deterministic as it goes.
//
// A state is the set of all positions in the program that the text so far may have reached, each
// with its stack of open rules. Equal sets are the same state, and each state remembers where bytes
// lead, so that most steps are one look-up. A state is only a number, which callers may keep and
// return to.
#ifndef CLAMMA_ENGINE_GRAMMAR_AUTOMATON_H_
#define CLAMMA_ENGINE_GRAMMAR_AUTOMATON_H_

#include <cstddef>
#include <cstdint>

#include "engine/grammar/program.h"
#include "engine/grammar/stacks.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

using MatchState = uint32_t;
inline constexpr MatchState kNoMatch = 0;  // no continuation of the text matches

struct AutomatonLimits {
  static constexpr uint32_t kMaxStates = 1u << 16;
  static constexpr size_t kMaxRowBytes = size_t{32} << 20;  // what states keep about bytes
  static constexpr uint32_t kMaxPositions = 1u << 20;       // of all states
  static constexpr uint32_t kMaxVisits = 1u << 12;          // positions of one state, while found
  static constexpr uint64_t kMaxWork = uint64_t{1} << 24;   // edges, between two ResetWork()
};

// Only one thread at a time may use it. Functions fail with kLimit if a limit is exceeded; Trim()
// then makes room, unless the state itself is too large.
class Automaton {
 public:
  // The program must outlive this.
  Status Init(Memory& memory, const Program& program);

  const Program& program() const { return *program_; }
  MatchState start() const { return start_; }

  // Where a byte leads. *next does not change on failure.
  Status Next(MatchState state, uint8_t byte, MatchState* next) {
    const MatchState known = Known(state, program_->class_of(byte));
    if (known == kUnknown) return Compute(state, byte, next);
    *next = known;
    return Status();
  }
  // Where token edges lead for this token, whatever its bytes are. `is_silent`: it has none.
  Status NextByToken(MatchState state, TokenId token, bool is_silent, MatchState* next);
  // The union of two states.
  Status Join(MatchState a, MatchState b, MatchState* joined);

  // The state of those positions at which plain characters (VocabularyTrie) may follow, or else of
  // one, as if no rule were open around them. What continues it continues `state`, too. Within
  // strings, many states have the same one.
  Status Detach(MatchState state, MatchState* detached);

  bool CanEnd(MatchState state) const { return states_[state].can_end; }

  // The positions of a state, for callers that look at token edges.
  bool HasTokenEdges(MatchState state) const { return states_[state].has_token_edges; }
  uint32_t n_positions(MatchState state) const { return states_[state].n_positions; }
  uint32_t position(MatchState state, uint32_t i) const {
    return positions_[states_[state].first_position + i].at;
  }

  // Removes all states but *kept, whose number changes, and start(). All other numbers become
  // invalid; generation() changes.
  Status Trim(MatchState* kept);
  uint32_t generation() const { return generation_; }
  void ResetWork() { work_ = 0; }
  uint32_t n_states() const { return n_states_; }

 private:
  static constexpr MatchState kUnknown = UINT32_MAX;
  struct Position {
    uint32_t at;  // a state of the program
    StackId stack;
    bool operator==(const Position&) const = default;
    bool operator<(const Position& other) const {
      return at != other.at ? at < other.at : stack < other.stack;
    }
  };
  struct State {
    uint32_t first_position;
    uint32_t n_positions;
    uint32_t hash;
    MatchState detached;  // kNoMatch: not known yet
    bool can_end;
    bool has_token_edges;
  };
  struct Seen {
    Position position;
    uint32_t round;
  };

  // Rows lie in blocks, so that they need not be moved when more are needed.
  static constexpr uint32_t kBlockStates = 128;

  const MatchState* row(MatchState state) const {
    return rows_[state / kBlockStates].data() +
           size_t{state % kBlockStates} * program_->n_classes();
  }
  MatchState* row(MatchState state) {
    return rows_[state / kBlockStates].data() +
           size_t{state % kBlockStates} * program_->n_classes();
  }
  MatchState Known(MatchState state, unsigned byte_class) const { return row(state)[byte_class]; }
  Status Compute(MatchState state, uint8_t byte, MatchState* next);
  void BeginSet();
  Status Visit(uint32_t at, StackId stack);
  Status CloseSet(MatchState* state);
  Status FollowEmpty(Position position);
  uint32_t HashSet() const;
  bool SameSet(const State& state, uint32_t hash) const;
  Status AddState(uint32_t hash, MatchState* state);
  Status Reserve(uint32_t n_positions);
  Status Rehash(uint64_t size);
  Status Restore(const Array<Position>& set, bool can_end, MatchState* state);
  static Status TooComplex();

  Memory* memory_ = nullptr;
  const Program* program_ = nullptr;
  Stacks stacks_;
  MatchState start_ = kNoMatch;
  uint32_t generation_ = 0;
  uint64_t work_ = 0;

  Array<State> states_;
  uint32_t n_states_ = 0;
  Array<MatchState> rows_[AutomatonLimits::kMaxStates / kBlockStates];  // (kBlockStates, n_classes)
  Array<Position> positions_;
  uint32_t n_positions_ = 0;
  Array<MatchState> slots_;  // open-addressing hash table of states; 0: free

  // The set that is being found.
  Array<Position> set_;  // (kMaxVisits): all that were visited
  Array<Seen> seen_;     // (2 * kMaxVisits): hash table of those of this round
  uint32_t round_ = 0;
  uint32_t n_set_ = 0;
  bool can_end_ = false;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_AUTOMATON_H_
