// SPDX-License-Identifier: MIT
// One compilation of a grammar to a Program.
#ifndef CLAMMA_ENGINE_GRAMMAR_PROGRAM_COMPILER_H_
#define CLAMMA_ENGINE_GRAMMAR_PROGRAM_COMPILER_H_

#include <cstddef>
#include <cstdint>

#include "engine/grammar/grammar.h"
#include "engine/grammar/program.h"
#include "engine/grammar/utf8_ranges.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

class ProgramCompiler {
 public:
  ProgramCompiler(Memory& memory, const Grammar& grammar, const Tokenizer* tokenizer,
                  Program* program)
      : memory_(memory), grammar_(grammar), tokenizer_(tokenizer), program_(*program) {}
  Status Run();

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct DraftEdge {
    uint32_t from;
    ProgramEdge edge;
  };
  struct DraftRule {
    ProgramRule states;
    NodeId body;
    RuleId source;  // the grammar's rule; kNone: made for a repetition
  };
  // Lists of edges, by the state to which they lead, and by the rule that they call.
  struct EdgeLists {
    Array<uint32_t> first_to;  // (n_states)
    Array<uint32_t> next_to;   // (n_edges)
    Array<uint32_t> first_of;  // (n_rules)
    Array<uint32_t> next_of;   // (n_edges)
    Array<uint32_t> starts;    // (n_states): the rule that starts there + 1
  };

  // --- Building (program_builder.cc) ---
  Status Build();
  Status AddState(uint32_t* state);
  Status AddEdge(uint32_t from, const ProgramEdge& edge);
  Status AddEmpty(uint32_t from, uint32_t to);
  Status AddBytes(uint32_t from, ByteRange range, uint32_t to);
  Status AddRule(NodeId body, RuleId source, uint32_t* rule);
  Status RuleOf(RuleId source, uint32_t* rule);
  Status Add(NodeId id, uint32_t from, uint32_t to);
  Status AddLiteral(const GrammarNode& node, uint32_t from, uint32_t to);
  Status AddClass(const GrammarNode& node, uint32_t from, uint32_t to);
  Status AddSequence(const GrammarNode& node, uint32_t from, uint32_t to);
  Status AddRepeat(const GrammarNode& node, uint32_t from, uint32_t to);
  bool IsSmall(NodeId id) const;
  Status AddToken(const GrammarNode& node, uint32_t from, uint32_t to);

  // --- Checking and finishing (program.cc) ---
  Status ListEdges(EdgeLists* lists);
  Status Reach(const EdgeLists& lists, bool without_text, Array<uint8_t>* reaches);
  bool IsOpen(const ProgramEdge& edge, const Array<uint8_t>& reaches) const;
  Status MatchesNothing() const;
  Status CheckLeftRecursion(const EdgeLists& lists);
  Status FindHeads(const Array<uint8_t>& empties, Array<uint32_t>* heads, size_t* n_heads);
  Status NameLeftRecursion(const Array<uint32_t>& heads, size_t n_heads,
                           const Array<uint32_t>& callers);
  Status Finish();
  void FindByteClasses();

  Memory& memory_;
  const Grammar& grammar_;
  const Tokenizer* tokenizer_;
  Program& program_;
  ByteSet available_;
  int missing_byte_ = -1;  // one that the grammar has, and that has no token
  Array<DraftEdge> edges_;
  uint32_t n_edges_ = 0;
  uint32_t n_states_ = 0;
  uint64_t n_visits_ = 0;  // of nodes
  Array<DraftRule> rules_;
  uint32_t n_rules_ = 0;
  Array<uint32_t> rule_of_;    // (grammar's rules): the rule of each + 1
  Array<uint8_t> productive_;  // (n_states): whether the end of its rule can be reached
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_PROGRAM_COMPILER_H_
