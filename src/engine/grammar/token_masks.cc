// SPDX-License-Identifier: MIT
#include "engine/grammar/token_masks.h"

#include <algorithm>
#include <cstring>

namespace clamma {
namespace {

// Adds the tokens of nodes [begin, end) whose bytes lead somewhere. With `strips_space`, a space at
// the beginning leads nowhere else.
Status Walk(Automaton& automaton, const TrieNode* nodes, uint32_t begin, uint32_t end,
            MatchState state, bool strips_space, TokenWord* allowed) {
  MatchState at[VocabularyTrie::kMaxBytes + 1];  // the state at each depth
  at[0] = state;
  for (uint32_t i = begin; i < end;) {
    const TrieNode& node = nodes[i];
    MatchState next = at[node.depth - 1];
    if (!strips_space || node.depth > 1 || node.byte != ' ') {
      CLAMMA_RETURN_IF_ERROR(automaton.Next(next, node.byte, &next));
    }
    if (next == kNoMatch) {
      i = node.skip;
      continue;
    }
    at[node.depth] = next;
    if (node.token != kNoToken) AddToken(allowed, node.token);
    ++i;
  }
  return Status();
}

// The state to which each byte from low to high leads; kNoMatch if there is more than one.
Status NextOfAll(Automaton& automaton, MatchState state, unsigned low, unsigned high,
                 MatchState* next) {
  unsigned last_class = 256;
  MatchState common = kNoMatch;
  *next = kNoMatch;
  for (unsigned byte = low; byte <= high; ++byte) {
    const unsigned byte_class = automaton.program().class_of(static_cast<uint8_t>(byte));
    if (byte_class == last_class) continue;
    MatchState found = kNoMatch;
    CLAMMA_RETURN_IF_ERROR(automaton.Next(state, static_cast<uint8_t>(byte), &found));
    if (found == kNoMatch || (last_class != 256 && found != common)) return Status();
    common = found;
    last_class = byte_class;
  }
  *next = common;
  return Status();
}

// The bytes of plain characters: up to four ranges one after the other.
struct PlainBytes {
  uint8_t n;
  uint8_t ranges[4][2];
};
constexpr PlainBytes kPlainBytes[] = {
    {1, {{0x20, 0x21}}},
    {1, {{0x23, 0x5b}}},
    {1, {{0x5d, 0x7e}}},
    {2, {{0xc2, 0xdf}, {0x80, 0xbf}}},
    {3, {{0xe0, 0xe0}, {0xa0, 0xbf}, {0x80, 0xbf}}},
    {3, {{0xe1, 0xec}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {3, {{0xed, 0xed}, {0x80, 0x9f}, {0x80, 0xbf}}},
    {3, {{0xee, 0xef}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {4, {{0xf0, 0xf0}, {0x90, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {4, {{0xf1, 0xf3}, {0x80, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {4, {{0xf4, 0xf4}, {0x80, 0x8f}, {0x80, 0xbf}, {0x80, 0xbf}}}};

}  // namespace

Status TokenMasks::Init(Memory& memory, const VocabularyTrie& trie, const Tokenizer& tokenizer) {
  memory_ = &memory;
  trie_ = &trie;
  tokenizer_ = &tokenizer;
  return masks_.Resize(memory, (kSlots + 1) * uint64_t{trie.n_words()});
}

Status TokenMasks::Find(Automaton& automaton, MatchState state, bool strips_space,
                        TokenMask* mask) {
  const size_t place = strips_space ? kSlots : state % kSlots;
  Slot once = {};
  Slot& slot = strips_space ? once : slots_[place];
  TokenWord* const allowed = masks_.data() + place * trie_->n_words();
  if (!slot.is_used || slot.state != state || slot.generation != automaton.generation()) {
    slot.is_used = false;
    CLAMMA_RETURN_IF_ERROR(Compute(automaton, state, strips_space, allowed));
    slot = {state, automaton.generation(), true};
    if (automaton.CanEnd(state)) {
      for (size_t i = 0; i < trie_->n_words(); ++i) allowed[i] |= trie_->ends()[i];
    }
  }
  *mask = {allowed,
           std::any_of(allowed, allowed + trie_->n_words(), [](TokenWord w) { return w != 0; })};
  return Status();
}

Status TokenMasks::Compute(Automaton& automaton, MatchState state, bool strips_space,
                           TokenWord* allowed) {
  automaton.ResetWork();
  size_t run = 0;
  if (!strips_space) CLAMMA_RETURN_IF_ERROR(PlainRun(automaton, state, &run));
  std::memcpy(allowed, trie_->plain(run), trie_->n_words() * sizeof(TokenWord));
  const uint32_t begin = run == VocabularyTrie::kMaxPlain ? trie_->n_plain_nodes() : 0;
  CLAMMA_RETURN_IF_ERROR(
      Walk(automaton, trie_->nodes(), begin, trie_->n_nodes(), state, strips_space, allowed));
  if (automaton.HasTokenEdges(state)) AddByTokenEdges(automaton, state, allowed);
  return Status();
}

// Returns how many plain characters may follow, whatever they are, up to kMaxPlain.
Status TokenMasks::PlainRun(Automaton& automaton, MatchState state, size_t* run) {
  if (generation_ != automaton.generation()) plain_next_.Reset();
  generation_ = automaton.generation();
  for (*run = 0; *run < VocabularyTrie::kMaxPlain; ++*run) {
    const size_t known = plain_next_.size();
    if (state >= known) {
      const uint64_t size = std::max<uint64_t>(uint64_t{state} + 1, 2 * known);
      CLAMMA_RETURN_IF_ERROR(plain_next_.Resize(*memory_, size));
      std::fill_n(plain_next_.data() + known, size - known, kUnknown);
    }
    MatchState next = plain_next_[state];
    if (next == kUnknown) {
      CLAMMA_RETURN_IF_ERROR(PlainNext(automaton, state, &next));
      plain_next_[state] = next;
    }
    if (next == kNoMatch) return Status();
    if (next == state) *run = VocabularyTrie::kMaxPlain - 1;
    state = next;
  }
  return Status();
}

Status TokenMasks::PlainNext(Automaton& automaton, MatchState state, MatchState* next) {
  *next = kNoMatch;
  MatchState common = kNoMatch;
  for (const PlainBytes& bytes : kPlainBytes) {
    MatchState at = state;
    for (size_t i = 0; i < bytes.n && at != kNoMatch; ++i) {
      CLAMMA_RETURN_IF_ERROR(NextOfAll(automaton, at, bytes.ranges[i][0], bytes.ranges[i][1], &at));
    }
    if (at == kNoMatch || (common != kNoMatch && at != common)) return Status();
    common = at;
  }
  *next = common;
  return Status();
}

// A state may have many edges, and a set of tokens many words: edges that allow sets are joined
// first.
void TokenMasks::AddByTokenEdges(const Automaton& automaton, MatchState state,
                                 TokenWord* allowed) const {
  const Program& program = automaton.program();
  bool any_silent = false;
  bool any_other = false;
  TokenId excluded = kNoToken;  // by all edges for any token but one
  for (uint32_t i = 0; i < automaton.n_positions(state); ++i) {
    const uint32_t at = automaton.position(state, i);
    for (const ProgramEdge* edge = program.edges_begin(at); edge != program.edges_end(at); ++edge) {
      any_silent |= edge->kind == EdgeKind::kControl;
      if (edge->kind != EdgeKind::kToken) continue;
      const auto token = static_cast<TokenId>(edge->what);
      if (!edge->negated) {
        AddToken(allowed, token);
        continue;
      }
      excluded = any_other && excluded != token ? kNoToken : token;
      any_other = true;
    }
  }
  if (any_silent) AddSet(trie_->silent(), allowed);
  if (!any_other) return;
  const bool was_allowed = excluded == kNoToken || HasToken(allowed, excluded);
  AddSet(trie_->others(), allowed);
  if (!was_allowed) RemoveToken(allowed, excluded);
}

void TokenMasks::AddSet(const TokenWord* set, TokenWord* allowed) const {
  for (size_t k = 0; k < trie_->n_words(); ++k) allowed[k] |= set[k];
}

Status TokenMasks::Advance(Automaton& automaton, TokenId token, bool strips_space,
                           MatchState* state) const {
  std::string_view bytes = tokenizer_->Bytes(token);
  const bool is_silent = bytes.empty();
  const bool is_text = !is_silent && bytes.size() <= VocabularyTrie::kMaxBytes;
  if (strips_space && is_text && bytes[0] == ' ') bytes.remove_prefix(1);
  automaton.ResetWork();
  MatchState by_bytes = is_text ? *state : kNoMatch;
  for (size_t i = 0; i < bytes.size() && by_bytes != kNoMatch; ++i) {
    CLAMMA_RETURN_IF_ERROR(automaton.Next(by_bytes, static_cast<uint8_t>(bytes[i]), &by_bytes));
  }
  MatchState by_token = kNoMatch;
  if (automaton.HasTokenEdges(*state)) {
    CLAMMA_RETURN_IF_ERROR(automaton.NextByToken(*state, token, is_silent, &by_token));
  }
  if (by_token == kNoMatch || by_bytes == kNoMatch) {
    *state = by_token == kNoMatch ? by_bytes : by_token;
    return Status();
  }
  return automaton.Join(by_bytes, by_token, state);
}

}  // namespace clamma
