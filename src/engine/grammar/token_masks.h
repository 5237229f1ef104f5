// SPDX-License-Identifier: MIT
// Which tokens of a vocabulary are allowed in a state of an automaton.
#ifndef CLAMMA_ENGINE_GRAMMAR_TOKEN_MASKS_H_
#define CLAMMA_ENGINE_GRAMMAR_TOKEN_MASKS_H_

#include <cstddef>
#include <cstdint>

#include "engine/grammar/automaton.h"
#include "engine/grammar/vocabulary_trie.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

struct TokenMask {
  const TokenWord* allowed = nullptr;  // (trie.n_words()); valid until the next Find()
  bool any = false;                    // whether there are any
};

// Only one thread at a time may use it.
class TokenMasks {
 public:
  // All must outlive this.
  Status Init(Memory& memory, const VocabularyTrie& trie, const Tokenizer& tokenizer);

  // `strips_space`: if the next token's text begins with a space, that is not part of the text.
  Status Find(Automaton& automaton, MatchState state, bool strips_space, TokenMask* mask);

  // Where a token leads: along its bytes, and along edges for tokens.
  Status Advance(Automaton& automaton, TokenId token, bool strips_space, MatchState* state) const;

 private:
  static constexpr size_t kSlots = 16;
  static constexpr size_t kRuns = 4096;
  static constexpr size_t kMaxSeen = 48;  // states of a run
  static constexpr uint32_t kBlockStates = 128;
  struct Slot {
    MatchState state;
    uint32_t generation;
    bool is_used;
  };

  // How many characters of some kinds may follow a state, whatever they are.
  struct Run {
    MatchState state;
    uint32_t generation;
    KindSet kinds;
    uint8_t length;  // up to kMaxPlain
    bool detaches;   // whether every state is detached (Automaton::Detach())
    bool meets_end;  // whether the text may end in one of the states
  };
  // Up to four states, 16 bits each; or one of these.
  using NextStates = uint64_t;
  static constexpr NextStates kUnknown = 0;
  static constexpr NextStates kTooMany = UINT64_MAX;  // or a character leads nowhere
  static_assert(AutomatonLimits::kMaxStates <= 1 << 16);
  static bool AddNext(MatchState state, NextStates* states);
  static Status FollowAll(Automaton& automaton, NextStates from, unsigned low, unsigned high,
                          NextStates* to);
  static Status FollowOthers(Automaton& automaton, MatchState state, NextStates* to);
  static Status ComputeNext(Automaton& automaton, MatchState state, unsigned kind, bool detaches,
                            NextStates* next);

  Status Compute(Automaton& automaton, MatchState state, bool strips_space, TokenWord* allowed);
  Status ComputePlain(Automaton& automaton, MatchState state, TokenWord* allowed);
  // The tokens of the plain trie that a set has already.
  struct InSet {
    size_t longest = 0;      // those that have up to so many characters,
    bool all_ascii = false;  // and all that are ASCII
    bool HasBelow(const TrieNode& node) const {
      return node.longest <= longest || (all_ascii && node.is_ascii != 0);
    }
  };
  Status Walk(Automaton& automaton, uint32_t begin, uint32_t end, MatchState state,
              const InSet& in_set, TokenWord* allowed);
  Status AllowsBelow(Automaton& automaton, const TrieNode& node, MatchState before,
                     MatchState after, bool* allows);
  Run* PlaceOf(const Run& run);
  void Keep(const Run& run) { *PlaceOf(run) = run; }
  Status NextOfKind(Automaton& automaton, MatchState state, unsigned kind, bool detaches,
                    NextStates* next);
  Status FindRun(Automaton& automaton, MatchState state, KindSet kinds, size_t enough, size_t* run);
  Status ComputeRun(Automaton& automaton, Run* run);
  Status FollowKinds(Automaton& automaton, const Run& run, MatchState state, MatchState* seen,
                     size_t* n_seen, bool* goes_on);
  void AddTokens(uint32_t begin, uint32_t end, TokenWord* allowed) const;
  void AddByTokenEdges(const Automaton& automaton, MatchState state, TokenWord* allowed) const;
  void AddSet(const TokenWord* set, TokenWord* allowed) const;

  Memory* memory_ = nullptr;
  const VocabularyTrie* trie_ = nullptr;
  const Tokenizer* tokenizer_ = nullptr;
  Slot slots_[kSlots] = {};
  Array<TokenWord> masks_;  // (kSlots + 1, n_words); the last one is not kept
  // (kBlockStates states of the automaton, kKinds) each: where characters of a kind lead; and the
  // same with detached states
  Array<NextStates> kind_next_[2][AutomatonLimits::kMaxStates / kBlockStates];
  uint32_t generation_ = 0;  // of kind_next_
  Array<Run> runs_;          // (kRuns): by hash, the last one of each place
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_TOKEN_MASKS_H_
