// SPDX-License-Identifier: MIT
// Turns sets of strings into rules of the grammar.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_SET_RULES_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_SET_RULES_H_

#include "engine/grammar/grammar.h"
#include "engine/grammar/schema/string_set.h"

namespace clamma {

// The strings of a set that have one of its labels, as a rule for each state that is needed.
class StringSetRules {
 public:
  StringSetRules(SchemaWork& work, Grammar& grammar, const StringSet& set, uint32_t label,
                 bool is_json)
      : work_(work), grammar_(grammar), set_(set), label_(label), is_json_(is_json) {}

  bool Start();  // to be called first

  // Adds a node for the strings that continue from this state.
  bool AddNode(uint32_t state, NodeId* node);
  // Adds a node for the characters first to last that lead from a state to live ones, and for the
  // strings that continue from there. Sets *is_there to false if there are none.
  bool AddCharacters(uint32_t state, CodeRange range, NodeId* node, bool* is_there);

  // Defines the rules that AddNode() has used. To be called last.
  bool Finish();

 private:
  static constexpr RuleId kNoRule = UINT32_MAX;

  bool AddMoves(uint32_t state, CodeRange range, bool without_loop, Vec<NodeId>* choices);
  bool AddClass(uint32_t from, uint32_t to, CodeRange range, NodeId* node, bool* is_there);
  bool Define(uint32_t state);

  SchemaWork& work_;
  Grammar& grammar_;
  const StringSet& set_;
  const uint32_t label_;
  const bool is_json_;
  bool* is_live_ = nullptr;    // (n_states)
  RuleId* rules_ = nullptr;    // (n_states)
  uint32_t* marks_ = nullptr;  // (n_states) the last AddMoves() that led there
  uint32_t mark_ = 0;
  Vec<uint32_t> pending_;  // states whose rules are to be defined
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_SET_RULES_H_
