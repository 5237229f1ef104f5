// SPDX-License-Identifier: MIT
// The first half of a compilation: states and edges for the nodes of a grammar.
#include <algorithm>

#include "engine/grammar/program_compiler.h"
#include "platform/quoted.h"

namespace clamma {
namespace {

Status TooLarge() {
  return Status::Error(StatusCode::kLimit,
                       "the grammar is too large: it compiles to more than %u states or %u edges",
                       static_cast<unsigned>(ProgramLimits::kMaxStates),
                       static_cast<unsigned>(ProgramLimits::kMaxEdges));
}

constexpr ByteRange kAnyContinuation = {0x80, 0xbf};

bool IsAnyContinuation(ByteRange range) {
  return range.low == kAnyContinuation.low && range.high == kAnyContinuation.high;
}

}  // namespace

Status ProgramCompiler::Build() {
  CLAMMA_RETURN_IF_ERROR(rule_of_.Resize(memory_, grammar_.n_rules()));
  if (grammar_.n_rules() == 0) {
    return Status::Error(StatusCode::kInvalidArgument, "the grammar has no rules");
  }
  CLAMMA_RETURN_IF_ERROR(RuleOf(grammar_.root(), &program_.root_));
  // Compiling a rule adds those that it refers to.
  for (uint32_t i = 0; i < n_rules_; ++i) {
    const DraftRule rule = rules_[i];
    CLAMMA_RETURN_IF_ERROR(Add(rule.body, rule.states.start, rule.states.end));
  }
  return Status();
}

Status ProgramCompiler::AddState(uint32_t* state) {
  if (n_states_ == ProgramLimits::kMaxStates) return TooLarge();
  *state = n_states_++;
  return Status();
}

Status ProgramCompiler::AddEdge(uint32_t from, const ProgramEdge& edge) {
  if (n_edges_ == ProgramLimits::kMaxEdges) return TooLarge();
  if (n_edges_ == edges_.size()) {
    CLAMMA_RETURN_IF_ERROR(edges_.Resize(memory_, std::max<uint64_t>(256, uint64_t{2} * n_edges_)));
  }
  edges_[n_edges_++] = {from, edge};
  return Status();
}

Status ProgramCompiler::AddEmpty(uint32_t from, uint32_t to) {
  return AddEdge(from, {to, 0, EdgeKind::kEmpty, 0, 0, false});
}

// Adds edges for those bytes of the range that have tokens.
Status ProgramCompiler::AddBytes(uint32_t from, ByteRange range, uint32_t to) {
  for (unsigned low = range.low; low <= range.high; ++low) {
    if (!available_.Has(low)) {
      if (missing_byte_ < 0) missing_byte_ = static_cast<int>(low);
      continue;
    }
    unsigned high = low;
    while (high < range.high && available_.Has(high + 1)) ++high;
    CLAMMA_RETURN_IF_ERROR(AddEdge(from, {to, 0, EdgeKind::kByte, static_cast<uint8_t>(low),
                                          static_cast<uint8_t>(high), false}));
    low = high;
  }
  return Status();
}

Status ProgramCompiler::AddRule(NodeId body, RuleId source, uint32_t* rule) {
  if (n_rules_ == rules_.size()) {
    CLAMMA_RETURN_IF_ERROR(rules_.Resize(memory_, std::max<uint64_t>(32, uint64_t{2} * n_rules_)));
  }
  DraftRule added = {{0, 0}, body, source};
  CLAMMA_RETURN_IF_ERROR(AddState(&added.states.start));
  CLAMMA_RETURN_IF_ERROR(AddState(&added.states.end));
  rules_[n_rules_] = added;
  *rule = n_rules_++;
  return Status();
}

Status ProgramCompiler::RuleOf(RuleId source, uint32_t* rule) {
  if (rule_of_[source] == 0) {
    if (!grammar_.IsDefined(source)) {
      return Status::Error(StatusCode::kInvalidArgument, "the rule %s is not defined",
                           Quoted(grammar_.name(source)).c_str());
    }
    CLAMMA_RETURN_IF_ERROR(AddRule(grammar_.body(source), source, rule));
    rule_of_[source] = *rule + 1;
  }
  *rule = rule_of_[source] - 1;
  return Status();
}

// Adds what leads from one state to another along texts that the node matches. (Grammar bounds the
// depth.) No edge that is added leads to `from`, or leaves `to`.
Status ProgramCompiler::Add(NodeId id, uint32_t from, uint32_t to) {
  if (++n_visits_ > ProgramLimits::kMaxEdges) return TooLarge();
  const GrammarNode& node = grammar_.node(id);
  switch (node.kind) {
    case NodeKind::kBytes:
      return AddLiteral(node, from, to);
    case NodeKind::kClass:
      return AddClass(node, from, to);
    case NodeKind::kSequence:
      return AddSequence(node, from, to);
    case NodeKind::kChoice:
      for (uint32_t i = 0; i < node.count; ++i) {
        CLAMMA_RETURN_IF_ERROR(Add(grammar_.children(node)[i], from, to));
      }
      return Status();
    case NodeKind::kRepeat:
      return AddRepeat(node, from, to);
    case NodeKind::kRule: {
      uint32_t rule = 0;
      CLAMMA_RETURN_IF_ERROR(RuleOf(node.first, &rule));
      return AddEdge(from, {to, rule, EdgeKind::kCall, 0, 0, false});
    }
    case NodeKind::kControl:
      return AddEdge(from, {to, 0, EdgeKind::kControl, 0, 0, false});
    default:
      return AddToken(node, from, to);
  }
}

Status ProgramCompiler::AddLiteral(const GrammarNode& node, uint32_t from, uint32_t to) {
  const std::string_view bytes = grammar_.bytes(node);
  if (bytes.empty()) return AddEmpty(from, to);
  for (size_t i = 0; i < bytes.size(); ++i) {
    uint32_t next = to;
    if (i + 1 < bytes.size()) CLAMMA_RETURN_IF_ERROR(AddState(&next));
    const auto byte = static_cast<uint8_t>(bytes[i]);
    CLAMMA_RETURN_IF_ERROR(AddBytes(from, {byte, byte}, next));
    from = next;
  }
  return Status();
}

Status ProgramCompiler::AddClass(const GrammarNode& node, uint32_t from, uint32_t to) {
  // tails[n]: the state from which any n continuation bytes lead to `to`
  uint32_t tails[4] = {to, kNone, kNone, kNone};
  const auto tail = [&](size_t n, uint32_t* state) {
    for (size_t i = 1; i <= n; ++i) {
      if (tails[i] != kNone) continue;
      CLAMMA_RETURN_IF_ERROR(AddState(&tails[i]));
      CLAMMA_RETURN_IF_ERROR(AddBytes(tails[i], kAnyContinuation, tails[i - 1]));
    }
    *state = tails[n];
    return Status();
  };
  for (uint32_t i = 0; i < node.count; ++i) {
    Utf8Splitter splitter(grammar_.ranges(node)[i]);
    Utf8Sequence sequence;
    while (splitter.Next(&sequence)) {
      size_t head = sequence.length;  // the bytes before those that may be any
      while (head > 1 && IsAnyContinuation(sequence.bytes[head - 1])) --head;
      uint32_t at = from;
      for (size_t k = 0; k < head; ++k) {
        uint32_t next = 0;
        CLAMMA_RETURN_IF_ERROR(k + 1 < head ? AddState(&next)
                                            : tail(sequence.length - head, &next));
        CLAMMA_RETURN_IF_ERROR(AddBytes(at, sequence.bytes[k], next));
        at = next;
      }
    }
  }
  return Status();
}

Status ProgramCompiler::AddSequence(const GrammarNode& node, uint32_t from, uint32_t to) {
  if (node.count == 0) return AddEmpty(from, to);
  for (uint32_t i = 0; i < node.count; ++i) {
    uint32_t next = to;
    if (i + 1 < node.count) CLAMMA_RETURN_IF_ERROR(AddState(&next));
    CLAMMA_RETURN_IF_ERROR(Add(grammar_.children(node)[i], from, next));
    from = next;
  }
  return Status();
}

// Whether a copy of the node is not much larger than a call.
bool ProgramCompiler::IsSmall(NodeId id) const {
  const GrammarNode& node = grammar_.node(id);
  switch (node.kind) {
    case NodeKind::kBytes:
      return node.count <= 2;
    case NodeKind::kClass:
      return node.count <= 3 &&
             (node.count == 0 || grammar_.ranges(node)[node.count - 1].last < 0x80);
    case NodeKind::kRule:
    case NodeKind::kToken:
    case NodeKind::kTokenName:
    case NodeKind::kControl:
      return true;
    default:
      return false;
  }
}

// Adds the copies that are required, then the optional ones. What is large and has several copies
// becomes a rule, so that nested repetitions do not multiply.
Status ProgramCompiler::AddRepeat(const GrammarNode& node, uint32_t from, uint32_t to) {
  const bool unbounded = node.max == kUnbounded;
  const uint32_t copies = unbounded ? std::max(node.count, 1u) : node.max;
  uint32_t rule = kNone;
  if (copies > 1 && !IsSmall(node.first)) {
    CLAMMA_RETURN_IF_ERROR(AddRule(node.first, kNone, &rule));
  }
  const auto add_copy = [&](uint32_t begin, uint32_t end) {
    return rule == kNone ? Add(node.first, begin, end)
                         : AddEdge(begin, {end, rule, EdgeKind::kCall, 0, 0, false});
  };
  // Because of choices, other edges may leave `from` or enter `to`: loops need states of their own.
  for (uint32_t i = 0; i < copies; ++i) {
    const bool is_last = i + 1 == copies;
    if (i >= node.count) CLAMMA_RETURN_IF_ERROR(AddEmpty(from, to));
    uint32_t begin = from;
    uint32_t end = to;
    if (is_last && unbounded) {
      CLAMMA_RETURN_IF_ERROR(AddState(&begin));
      CLAMMA_RETURN_IF_ERROR(AddEmpty(from, begin));
    }
    if (!is_last || unbounded) CLAMMA_RETURN_IF_ERROR(AddState(&end));
    CLAMMA_RETURN_IF_ERROR(add_copy(begin, end));
    if (is_last && unbounded) {
      CLAMMA_RETURN_IF_ERROR(AddEmpty(end, begin));
      CLAMMA_RETURN_IF_ERROR(AddEmpty(end, to));
    }
    from = end;
  }
  return copies == 0 ? AddEmpty(from, to) : Status();
}

Status ProgramCompiler::AddToken(const GrammarNode& node, uint32_t from, uint32_t to) {
  auto token = static_cast<TokenId>(node.first);
  const bool by_name = node.kind == NodeKind::kTokenName;
  char name[128];
  if (by_name) {
    Format(name, sizeof(name), "%s", Quoted(grammar_.bytes(node)).c_str());
    token = tokenizer_ == nullptr ? kNoToken : tokenizer_->Find(grammar_.bytes(node));
  } else {
    Format(name, sizeof(name), "%d", static_cast<int>(token));
  }
  if (tokenizer_ == nullptr ? by_name : !tokenizer_->IsValid(token)) {
    return Status::Error(StatusCode::kInvalidArgument, "the vocabulary has no token %s", name);
  }
  if (tokenizer_ != nullptr && tokenizer_->EndsText(token)) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "the token %s ends texts: it is allowed where the grammar ends", name);
  }
  if (tokenizer_ != nullptr && !node.negated && !tokenizer_->IsGenerated(token)) {
    return Status::Error(StatusCode::kInvalidArgument, "the token %s is never generated", name);
  }
  return AddEdge(from, {to, static_cast<uint32_t>(token), EdgeKind::kToken, 0, 0, node.negated});
}

}  // namespace clamma
