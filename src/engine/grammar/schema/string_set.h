// SPDX-License-Identifier: MIT
// Regular sets of strings, as deterministic automata over code points. Patterns, formats, lengths
// and the keys of free properties are such sets, and so are the texts of numbers in a range.
#ifndef CLAMMA_ENGINE_GRAMMAR_SCHEMA_STRING_SET_H_
#define CLAMMA_ENGINE_GRAMMAR_SCHEMA_STRING_SET_H_

#include <cstdint>
#include <string_view>

#include "engine/grammar/schema/shape.h"

namespace clamma {

// State 0 is the start. A string is in the set if it leads to a state whose label is not 0.
struct StringSet {
  uint32_t n_states = 0;
  uint32_t n_classes = 0;
  const uint32_t* classes = nullptr;  // (n_classes) the first code point of each; ascending from 0
  const uint32_t* next = nullptr;     // (n_states, n_classes)
  const uint32_t* labels = nullptr;   // (n_states)
  const bool* is_live = nullptr;      // (n_states) whether a string leads on to a label

  uint32_t Next(uint32_t state, uint32_t c) const { return next[state * n_classes + c]; }
  uint32_t ClassLast(uint32_t c) const {
    return c + 1 < n_classes ? classes[c + 1] - 1 : kMaxCodePoint;
  }
  uint32_t ClassOf(uint32_t code_point) const;
  bool is_empty() const { return !is_live[0]; }
  uint32_t LabelOf(std::string_view text) const;  // of valid UTF-8
};

// A class of code points that no text has: they never lead to a label.
inline bool IsSurrogate(uint32_t code_point) {
  return code_point >= 0xd800 && code_point <= 0xdfff;
}

// The strings that a node of a grammar without references matches.
bool StringsOfNode(SchemaWork& work, const Grammar& grammar, NodeId node, StringSet* set);

// The strings of min to max code points.
bool StringsOfLength(SchemaWork& work, const SchemaCount& length, StringSet* set);

// All strings but these.
bool StringsOtherThan(SchemaWork& work, const std::string_view* texts, size_t n, StringSet* set);

// The intersection of the sets; its label is 1.
bool IntersectStrings(SchemaWork& work, const StringSet* sets, size_t n, StringSet* set);

// The first set. Its strings are labelled with 1 + the sum of 2^i over the other sets that contain
// them, where i = 0 for the second one. n is at most 17.
bool LabelStrings(SchemaWork& work, const StringSet* sets, size_t n, StringSet* set);

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_SCHEMA_STRING_SET_H_
