// SPDX-License-Identifier: MIT
// A grammar as a network of states over bytes: what Automaton runs.
//
// Each rule has a start and an end. An edge consumes a byte, a token or nothing, or calls a rule
// and continues where that ends. Edges that cannot lead to the end of their rule are removed, so
// every text that is begun can be completed with the bytes that have tokens.
#ifndef CLAMMA_ENGINE_GRAMMAR_PROGRAM_H_
#define CLAMMA_ENGINE_GRAMMAR_PROGRAM_H_

#include <cstddef>
#include <cstdint>

#include "engine/grammar/grammar.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

struct ProgramLimits {
  static constexpr uint32_t kMaxStates = 1u << 18;
  static constexpr uint32_t kMaxEdges = 1u << 20;
};

enum class EdgeKind : uint8_t {
  kByte,
  kEmpty,
  kCall,
  kToken,
  kControl  // any token that adds no text
};

struct ProgramEdge {
  uint32_t to;
  uint32_t what;  // kCall: the rule; kToken: the token
  EdgeKind kind;
  uint8_t low;  // kByte: low to high
  uint8_t high;
  bool negated;  // kToken: any token but `what`
};

struct ProgramRule {
  uint32_t start;
  uint32_t end;  // has no edges
};

// A set of bytes.
struct ByteSet {
  uint64_t bits[4] = {};
  bool Has(unsigned byte) const { return (bits[byte / 64] >> byte % 64 & 1) != 0; }
  void Add(unsigned byte) { bits[byte / 64] |= uint64_t{1} << byte % 64; }
};

// The bytes for which the vocabulary has a token that stands for them alone, and that the model may
// generate.
ByteSet BytesWithTokens(const Tokenizer& tokenizer);

// Constant once compiled, so any number of threads may use it.
class Program {
 public:
  // Compiles the grammar. Without a tokenizer, all bytes have tokens, and names of tokens are
  // refused. Refused with a reason: left recursion, tokens that do not exist or that end texts, a
  // grammar that no text matches, and one whose texts all need a byte that has no token.
  Status Compile(Memory& memory, const Grammar& grammar, const Tokenizer* tokenizer);

  uint32_t n_states() const { return n_states_; }
  const ProgramRule& rule(uint32_t id) const { return rules_[id]; }
  uint32_t start() const { return rules_[root_].start; }
  const ProgramEdge* edges_begin(uint32_t state) const { return edges_.data() + first_[state]; }
  const ProgramEdge* edges_end(uint32_t state) const { return edges_.data() + first_[state + 1]; }
  bool IsEnd(uint32_t state) const { return is_end_[state] != 0; }

  // Bytes of the same class are on the same edges.
  unsigned n_classes() const { return n_classes_; }
  unsigned class_of(uint8_t byte) const { return classes_[byte]; }

 private:
  friend class ProgramCompiler;

  Array<ProgramRule> rules_;
  Array<ProgramEdge> edges_;  // in order of the states they leave
  Array<uint32_t> first_;     // (n_states + 1): the first edge of each state
  Array<uint8_t> is_end_;     // (n_states): whether a rule ends there
  uint32_t n_states_ = 0;
  uint32_t root_ = 0;
  unsigned n_classes_ = 1;
  uint8_t classes_[256] = {};
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_PROGRAM_H_
