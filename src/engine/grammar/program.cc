// SPDX-License-Identifier: MIT
// The second half of a compilation: checks the grammar, removes what leads nowhere, and orders the
// edges.
#include "engine/grammar/program.h"

#include <algorithm>

#include "engine/grammar/program_compiler.h"
#include "platform/quoted.h"

namespace clamma {

ByteSet BytesWithTokens(const Tokenizer& tokenizer) {
  ByteSet bytes;
  for (uint32_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    const std::string_view text = tokenizer.Bytes(token);
    if (text.size() != 1 || !tokenizer.IsGenerated(token) || tokenizer.EndsText(token)) continue;
    bytes.Add(static_cast<uint8_t>(text[0]));
  }
  return bytes;
}

Status Program::Compile(Memory& memory, const Grammar& grammar, const Tokenizer* tokenizer) {
  return ProgramCompiler(memory, grammar, tokenizer, this).Run();
}

Status ProgramCompiler::Run() {
  for (uint64_t& bits : available_.bits) bits = UINT64_MAX;
  if (tokenizer_ != nullptr) available_ = BytesWithTokens(*tokenizer_);
  CLAMMA_RETURN_IF_ERROR(Build());
  EdgeLists lists;
  CLAMMA_RETURN_IF_ERROR(ListEdges(&lists));
  CLAMMA_RETURN_IF_ERROR(Reach(lists, false, &productive_));
  if (productive_[rules_[program_.root_].states.start] == 0) return MatchesNothing();
  CLAMMA_RETURN_IF_ERROR(CheckLeftRecursion(lists));
  return Finish();
}

Status ProgramCompiler::ListEdges(EdgeLists* lists) {
  CLAMMA_RETURN_IF_ERROR(lists->first_to.Resize(memory_, n_states_));
  CLAMMA_RETURN_IF_ERROR(lists->next_to.Resize(memory_, n_edges_));
  CLAMMA_RETURN_IF_ERROR(lists->first_of.Resize(memory_, n_rules_));
  CLAMMA_RETURN_IF_ERROR(lists->next_of.Resize(memory_, n_edges_));
  CLAMMA_RETURN_IF_ERROR(lists->starts.Resize(memory_, n_states_));
  std::fill_n(lists->first_to.data(), n_states_, kNone);
  std::fill_n(lists->first_of.data(), n_rules_, kNone);
  for (uint32_t i = 0; i < n_edges_; ++i) {
    const ProgramEdge& edge = edges_[i].edge;
    lists->next_to[i] = lists->first_to[edge.to];
    lists->first_to[edge.to] = i;
    if (edge.kind != EdgeKind::kCall) continue;
    lists->next_of[i] = lists->first_of[edge.what];
    lists->first_of[edge.what] = i;
  }
  for (uint32_t i = 0; i < n_rules_; ++i) lists->starts[rules_[i].states.start] = i + 1;
  return Status();
}

// Whether the end of the rule can be reached along the edge.
bool ProgramCompiler::IsOpen(const ProgramEdge& edge, const Array<uint8_t>& reaches) const {
  return reaches[edge.to] != 0 &&
         (edge.kind != EdgeKind::kCall || reaches[rules_[edge.what].states.start] != 0);
}

// Finds the states from which the end of their rule can be reached, by empty texts or by any.
Status ProgramCompiler::Reach(const EdgeLists& lists, bool without_text, Array<uint8_t>* reaches) {
  Array<uint32_t> queue;
  uint32_t n = 0;
  CLAMMA_RETURN_IF_ERROR(queue.Resize(memory_, n_states_));
  CLAMMA_RETURN_IF_ERROR(reaches->Resize(memory_, n_states_));
  const auto visit = [&](uint32_t state) {
    if ((*reaches)[state] != 0) return;
    (*reaches)[state] = 1;
    queue[n++] = state;
  };
  const auto try_edge = [&](const DraftEdge& draft) {
    const EdgeKind kind = draft.edge.kind;
    if (without_text && kind != EdgeKind::kEmpty && kind != EdgeKind::kCall) return;
    if (IsOpen(draft.edge, *reaches)) visit(draft.from);
  };
  for (uint32_t i = 0; i < n_rules_; ++i) visit(rules_[i].states.end);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t state = queue[i];
    for (uint32_t e = lists.first_to[state]; e != kNone; e = lists.next_to[e]) try_edge(edges_[e]);
    if (lists.starts[state] == 0) continue;
    const uint32_t rule = lists.starts[state] - 1;
    for (uint32_t e = lists.first_of[rule]; e != kNone; e = lists.next_of[e]) try_edge(edges_[e]);
  }
  return Status();
}

Status ProgramCompiler::MatchesNothing() const {
  if (missing_byte_ >= 0) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "the vocabulary cannot write what the grammar asks for: it has no token "
                         "for the byte 0x%x alone",
                         static_cast<unsigned>(missing_byte_));
  }
  return Status::Error(StatusCode::kInvalidArgument,
                       "no text matches the grammar: its root %s never ends",
                       Quoted(grammar_.name(grammar_.root())).c_str());
}

// Collects pairs (rule, rule that it may call before any text).
Status ProgramCompiler::FindHeads(const Array<uint8_t>& empties, Array<uint32_t>* heads,
                                  size_t* n_heads) {
  Array<uint32_t> first;  // (n_states): lists of the edges that leave
  Array<uint32_t> next;
  Array<uint32_t> queue;
  Array<uint8_t> seen;
  CLAMMA_RETURN_IF_ERROR(first.Resize(memory_, n_states_));
  CLAMMA_RETURN_IF_ERROR(next.Resize(memory_, n_edges_));
  CLAMMA_RETURN_IF_ERROR(queue.Resize(memory_, n_states_));
  CLAMMA_RETURN_IF_ERROR(seen.Resize(memory_, n_states_));
  CLAMMA_RETURN_IF_ERROR(heads->Resize(memory_, uint64_t{2} * n_edges_));
  std::fill_n(first.data(), n_states_, kNone);
  for (uint32_t i = 0; i < n_edges_; ++i) {
    next[i] = first[edges_[i].from];
    first[edges_[i].from] = i;
  }
  for (uint32_t rule = 0; rule < n_rules_; ++rule) {
    uint32_t n = 0;
    const auto visit = [&](uint32_t state) {
      if (seen[state] == 0) queue[n++] = state;
      seen[state] = 1;
    };
    visit(rules_[rule].states.start);
    for (uint32_t i = 0; i < n; ++i) {
      for (uint32_t e = first[queue[i]]; e != kNone; e = next[e]) {
        const ProgramEdge& edge = edges_[e].edge;
        if (!IsOpen(edge, productive_)) continue;
        if (edge.kind == EdgeKind::kEmpty) visit(edge.to);
        if (edge.kind != EdgeKind::kCall) continue;
        (*heads)[(*n_heads)++] = rule;
        (*heads)[(*n_heads)++] = edge.what;
        if (empties[rules_[edge.what].states.start] != 0) visit(edge.to);
      }
    }
  }
  return Status();
}

// Removes rules that no other one begins with until none is left, or only those behind a cycle.
Status ProgramCompiler::CheckLeftRecursion(const EdgeLists& lists) {
  Array<uint8_t> empties;
  CLAMMA_RETURN_IF_ERROR(Reach(lists, true, &empties));
  Array<uint32_t> heads;
  size_t n_heads = 0;
  CLAMMA_RETURN_IF_ERROR(FindHeads(empties, &heads, &n_heads));
  Array<uint32_t> callers;  // (n_rules): the number of calls that are left
  Array<uint32_t> first;    // (n_rules): lists of a rule's pairs
  Array<uint32_t> next;
  Array<uint32_t> queue;
  CLAMMA_RETURN_IF_ERROR(callers.Resize(memory_, n_rules_));
  CLAMMA_RETURN_IF_ERROR(first.Resize(memory_, n_rules_));
  CLAMMA_RETURN_IF_ERROR(next.Resize(memory_, n_heads));
  CLAMMA_RETURN_IF_ERROR(queue.Resize(memory_, n_rules_));
  std::fill_n(first.data(), n_rules_, kNone);
  for (uint32_t i = 0; i < n_heads; i += 2) {
    next[i] = first[heads[i]];
    first[heads[i]] = i;
    ++callers[heads[i + 1]];
  }
  uint32_t n = 0;
  for (uint32_t rule = 0; rule < n_rules_; ++rule) {
    if (callers[rule] == 0) queue[n++] = rule;
  }
  for (uint32_t i = 0; i < n; ++i) {
    for (uint32_t pair = first[queue[i]]; pair != kNone; pair = next[pair]) {
      if (--callers[heads[pair + 1]] == 0) queue[n++] = heads[pair + 1];
    }
  }
  return n == n_rules_ ? Status() : NameLeftRecursion(heads, n_heads, callers);
}

// Each rule with callers left has one that has callers left, too, so following callers leads into
// a cycle.
Status ProgramCompiler::NameLeftRecursion(const Array<uint32_t>& heads, size_t n_heads,
                                          const Array<uint32_t>& callers) {
  Array<uint32_t> caller;
  CLAMMA_RETURN_IF_ERROR(caller.Resize(memory_, n_rules_));
  uint32_t rule = 0;
  for (size_t i = 0; i < n_heads; i += 2) {
    if (callers[heads[i]] == 0 || callers[heads[i + 1]] == 0) continue;
    rule = heads[i + 1];
    caller[rule] = heads[i];
  }
  for (uint32_t i = 0; i < n_rules_; ++i) rule = caller[rule];
  while (rules_[rule].source == kNone) rule = caller[rule];  // a repetition lies within a rule
  return Status::Error(StatusCode::kInvalidArgument,
                       "left recursion is not supported: the rule %s begins with itself",
                       Quoted(grammar_.name(rules_[rule].source)).c_str());
}

// Copies the rules, and the edges that lead somewhere, in order of the states they leave.
Status ProgramCompiler::Finish() {
  Program& p = program_;
  p.n_states_ = n_states_;
  CLAMMA_RETURN_IF_ERROR(p.rules_.Resize(memory_, n_rules_));
  CLAMMA_RETURN_IF_ERROR(p.is_end_.Resize(memory_, n_states_));
  CLAMMA_RETURN_IF_ERROR(p.first_.Resize(memory_, uint64_t{n_states_} + 1));
  for (uint32_t i = 0; i < n_rules_; ++i) {
    p.rules_[i] = rules_[i].states;
    p.is_end_[p.rules_[i].end] = 1;
  }
  uint32_t n_open = 0;
  for (uint32_t i = 0; i < n_edges_; ++i) {
    if (!IsOpen(edges_[i].edge, productive_)) continue;
    ++p.first_[edges_[i].from + 1];
    edges_[n_open++] = edges_[i];
  }
  for (uint32_t i = 0; i < n_states_; ++i) p.first_[i + 1] += p.first_[i];
  CLAMMA_RETURN_IF_ERROR(p.edges_.Resize(memory_, n_open));
  Array<uint32_t> place;
  CLAMMA_RETURN_IF_ERROR(place.Resize(memory_, n_states_));
  std::copy_n(p.first_.data(), n_states_, place.data());
  for (uint32_t i = 0; i < n_open; ++i) p.edges_[place[edges_[i].from]++] = edges_[i].edge;
  FindByteClasses();
  return Status();
}

void ProgramCompiler::FindByteClasses() {
  bool begins[257] = {};  // whether a class begins at a byte
  for (size_t i = 0; i < program_.edges_.size(); ++i) {
    const ProgramEdge& edge = program_.edges_[i];
    if (edge.kind != EdgeKind::kByte) continue;
    begins[edge.low] = true;
    begins[edge.high + 1] = true;
  }
  unsigned current = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (byte > 0 && begins[byte]) ++current;
    program_.classes_[byte] = static_cast<uint8_t>(current);
  }
  program_.n_classes_ = current + 1;
}

}  // namespace clamma
