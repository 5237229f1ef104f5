// SPDX-License-Identifier: MIT
// The intermediate form of constrained output: which texts and tokens a query may generate. The
// readers of GBNF, regular expressions and JSON schemas build one of these, and Automaton runs it.
//
// A grammar is a set of nodes, which match sequences of bytes and tokens, and of named rules, whose
// bodies are nodes. Rules may refer to each other, and to themselves, but not so that a rule begins
// with itself: no left recursion. The automaton's compiler checks that.
#ifndef CLAMMA_ENGINE_GRAMMAR_GRAMMAR_H_
#define CLAMMA_ENGINE_GRAMMAR_GRAMMAR_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/vocabulary.h"

namespace clamma {

struct GrammarLimits {
  static constexpr uint32_t kMaxNodes = 1u << 19;
  static constexpr uint32_t kMaxRules = 1u << 16;
  static constexpr uint32_t kMaxDepth = 250;        // how deeply nodes may be nested within a rule
  static constexpr uint32_t kMaxBytes = 1u << 23;   // of literals and names
  static constexpr uint32_t kMaxItems = 1u << 21;   // children of nodes, and ranges of classes
  static constexpr uint32_t kMaxRepeat = 1u << 17;  // the largest bound of a repetition
};

using NodeId = uint32_t;
using RuleId = uint32_t;

inline constexpr uint32_t kUnbounded = UINT32_MAX;  // the maximum of a repetition
inline constexpr uint32_t kMaxCodePoint = 0x10ffff;

// Code points first to last, both included.
struct CodeRange {
  uint32_t first;
  uint32_t last;
};

enum class NodeKind : uint8_t {
  kBytes,      // these bytes
  kClass,      // one character of a class, as UTF-8
  kSequence,   // the children, one after the other; none: the empty text
  kChoice,     // one of the children; none: matches nothing at all
  kRepeat,     // the child, min to max times
  kRule,       // what the rule matches
  kToken,      // one token, whatever its text is
  kTokenName,  // ... which the vocabulary has by this name
  kControl     // any token that adds no text, and does not end it
};

struct GrammarNode {
  NodeKind kind = NodeKind::kSequence;
  bool negated = false;  // kToken, kTokenName: any token but this one
  uint16_t depth = 1;    // 1 + that of the deepest child
  uint32_t first =
      0;  // of its bytes, ranges or children; kRepeat: the child; kRule, kToken: the id
  uint32_t count = 0;  // of its bytes, ranges or children; kRepeat: the minimum
  uint32_t max = 0;    // kRepeat
};

class Grammar {
 public:
  // `memory` must outlive the grammar.
  explicit Grammar(Memory& memory) : memory_(&memory) {}

  Memory& memory() const { return *memory_; }

  // Each adds a node and sets *node to its id. They fail if memory is short, and with kLimit if a
  // limit is exceeded. A node may be a child of several nodes, each of which compiles it again:
  // what is large and used often should be a rule.
  Status AddEmpty(NodeId* node) { return AddSequence(nullptr, 0, node); }  // the empty text
  Status AddBytes(std::string_view bytes, NodeId* node);
  // The ranges may overlap and be in any order. Surrogates never match. A class may match nothing.
  Status AddClass(const CodeRange* ranges, size_t n, bool negated, NodeId* node);
  Status AddSequence(const NodeId* children, size_t n, NodeId* node);
  Status AddChoice(const NodeId* children, size_t n, NodeId* node);  // of none: matches no text
  // min <= max; max may be kUnbounded.
  Status AddRepeat(NodeId child, uint32_t min, uint32_t max, NodeId* node);
  Status AddReference(RuleId rule, NodeId* node);
  // A token of the vocabulary; negated: any other token. The automaton's compiler refuses tokens
  // that do not exist or that end texts.
  Status AddToken(TokenId token, bool negated, NodeId* node);
  Status AddTokenName(std::string_view name, bool negated, NodeId* node);
  Status AddControl(NodeId* node) { return AddNode({.kind = NodeKind::kControl}, node); }

  // Adds a rule without a body. Names are for messages and FindRule(); they may be empty or equal.
  Status AddRule(std::string_view name, RuleId* rule);
  // Sets the body of a rule that has none.
  Status DefineRule(RuleId rule, NodeId body);
  // The first rule of that name. Returns false if there is none. Takes time in proportion to the
  // number of rules.
  bool FindRule(std::string_view name, RuleId* rule) const;
  bool IsDefined(RuleId rule) const { return rules_[rule].body != kNoBody; }
  // The rule that a text must match; initially the first.
  void SetRoot(RuleId rule) { root_ = rule; }

  // --- For the compiler ---

  RuleId root() const { return root_; }
  uint32_t n_nodes() const { return n_nodes_; }
  uint32_t n_rules() const { return n_rules_; }
  const GrammarNode& node(NodeId id) const { return nodes_[id]; }
  NodeId body(RuleId rule) const { return rules_[rule].body; }
  std::string_view name(RuleId rule) const {
    return {bytes_.data() + rules_[rule].name, rules_[rule].name_length};
  }
  // Of kBytes and kTokenName.
  std::string_view bytes(const GrammarNode& node) const {
    return {bytes_.data() + node.first, node.count};
  }
  // Of kClass: sorted, disjoint, not adjacent and without surrogates; a negation is resolved.
  const CodeRange* ranges(const GrammarNode& node) const { return ranges_.data() + node.first; }
  // Of kSequence and kChoice.
  const NodeId* children(const GrammarNode& node) const { return children_.data() + node.first; }

 private:
  static constexpr NodeId kNoBody = UINT32_MAX;
  struct Rule {
    NodeId body;
    uint32_t name;  // where it begins in bytes_
    uint32_t name_length;
  };

  Status AddNode(const GrammarNode& added, NodeId* node);
  Status AddList(NodeKind kind, const NodeId* children, size_t n, NodeId* node);
  Status AddText(std::string_view text, uint32_t* first);

  Memory* memory_;
  RuleId root_ = 0;
  Array<GrammarNode> nodes_;
  Array<Rule> rules_;
  Array<NodeId> children_;
  Array<CodeRange> ranges_;
  Array<char> bytes_;
  uint32_t n_nodes_ = 0;
  uint32_t n_rules_ = 0;
  uint32_t n_children_ = 0;
  uint32_t n_ranges_ = 0;
  uint32_t n_bytes_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_GRAMMAR_H_
