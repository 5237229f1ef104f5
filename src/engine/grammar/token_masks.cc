// SPDX-License-Identifier: MIT
#include "engine/grammar/token_masks.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace clamma {
namespace {

// As Walk(), for a text whose leading space is not part of it: a space at the beginning leads
// nowhere else.
Status WalkStripped(Automaton& automaton, const VocabularyTrie& trie, MatchState state,
                    TokenWord* allowed) {
  MatchState at[VocabularyTrie::kMaxBytes + 1];  // the state at each depth
  at[0] = state;
  for (uint32_t i = 0; i < trie.n_nodes();) {
    const TrieNode& node = trie.nodes()[i];
    MatchState next = at[node.depth - 1];
    if (node.depth > 1 || node.byte != ' ') {
      CLAMMA_RETURN_IF_ERROR(automaton.Next(next, node.byte, &next));
    }
    if (next == kNoMatch) {
      i = node.skip;
      continue;
    }
    at[node.depth] = next;
    if (node.has_token != 0) AddToken(allowed, trie.tokens()[node.first]);
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

// The bytes of characters beyond ASCII: up to four ranges one after the other.
struct OtherBytes {
  uint8_t n;
  uint8_t ranges[4][2];
};
constexpr OtherBytes kOtherBytes[] = {
    {2, {{0xc2, 0xdf}, {0x80, 0xbf}}},
    {3, {{0xe0, 0xe0}, {0xa0, 0xbf}, {0x80, 0xbf}}},
    {3, {{0xe1, 0xec}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {3, {{0xed, 0xed}, {0x80, 0x9f}, {0x80, 0xbf}}},
    {3, {{0xee, 0xef}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {4, {{0xf0, 0xf0}, {0x90, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {4, {{0xf1, 0xf3}, {0x80, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}}},
    {4, {{0xf4, 0xf4}, {0x80, 0x8f}, {0x80, 0xbf}, {0x80, 0xbf}}}};

// The state to which all characters of a kind lead; kNoMatch if there is more than one.
Status ComputeNext(Automaton& automaton, MatchState state, unsigned kind, MatchState* next) {
  *next = kNoMatch;
  MatchState common = kNoMatch;
  const auto differs = [&](MatchState at) {
    const bool is_first = common == kNoMatch;
    if (is_first) common = at;
    return at == kNoMatch || at != common;
  };
  if (kind < kOtherKind) {
    for (const char byte : kAsciiKinds[kind]) {
      MatchState at = kNoMatch;
      CLAMMA_RETURN_IF_ERROR(automaton.Next(state, static_cast<uint8_t>(byte), &at));
      if (differs(at)) return Status();
    }
  } else {
    for (const OtherBytes& bytes : kOtherBytes) {
      MatchState at = state;
      for (size_t i = 0; i < bytes.n && at != kNoMatch; ++i) {
        CLAMMA_RETURN_IF_ERROR(
            NextOfAll(automaton, at, bytes.ranges[i][0], bytes.ranges[i][1], &at));
      }
      if (differs(at)) return Status();
    }
  }
  *next = common;
  return Status();
}

}  // namespace

Status TokenMasks::Init(Memory& memory, const VocabularyTrie& trie, const Tokenizer& tokenizer) {
  memory_ = &memory;
  trie_ = &trie;
  tokenizer_ = &tokenizer;
  CLAMMA_RETURN_IF_ERROR(runs_.Resize(memory, kRuns));
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
  if (strips_space) {
    std::fill_n(allowed, trie_->n_words(), TokenWord{0});
    CLAMMA_RETURN_IF_ERROR(WalkStripped(automaton, *trie_, state, allowed));
  } else {
    CLAMMA_RETURN_IF_ERROR(ComputePlain(automaton, state, allowed));
    CLAMMA_RETURN_IF_ERROR(
        Walk(automaton, trie_->n_plain_nodes(), trie_->n_nodes(), state, 0, allowed));
  }
  if (automaton.HasTokenEdges(state)) AddByTokenEdges(automaton, state, allowed);
  return Status();
}

// Sets *allowed to the tokens of the plain trie that are allowed. It begins with those that need no
// walk, or, if what most first bytes lead to allows all that may follow, with all but the others.
Status TokenMasks::ComputePlain(Automaton& automaton, MatchState state, TokenWord* allowed) {
  const size_t set_bytes = trie_->n_words() * sizeof(TokenWord);
  const TrieNode* const nodes = trie_->nodes();
  const uint32_t end = trie_->n_plain_nodes();
  size_t run = 0;
  CLAMMA_RETURN_IF_ERROR(FindRun(automaton, state, kAllKinds, &run));
  if (run > 0) {
    std::memcpy(allowed, trie_->plain(run), set_bytes);
    if (run == VocabularyTrie::kMaxPlain) return Status();
    return Walk(automaton, 0, end, state, run, allowed);
  }
  const auto allows_all = [&](const TrieNode& node, bool* allows) {
    MatchState next = kNoMatch;
    *allows = false;
    CLAMMA_RETURN_IF_ERROR(automaton.Next(state, node.byte, &next));
    return next == kNoMatch ? Status() : AllowsBelow(automaton, node, next, allows);
  };
  uint32_t n_all = 0;
  for (uint32_t i = 0; i < end; i = nodes[i].skip) {
    bool all = false;
    CLAMMA_RETURN_IF_ERROR(allows_all(nodes[i], &all));
    if (all) n_all += nodes[nodes[i].skip].first - nodes[i].first;
  }
  const bool begins_full = n_all > nodes[end].first / 2;
  std::memcpy(allowed, trie_->plain(begins_full ? VocabularyTrie::kMaxPlain : 0), set_bytes);
  if (!begins_full) return Walk(automaton, 0, end, state, 0, allowed);
  for (uint32_t i = 0; i < end; i = nodes[i].skip) {
    bool all = false;
    CLAMMA_RETURN_IF_ERROR(allows_all(nodes[i], &all));
    if (all) continue;
    const uint32_t skip = nodes[i].skip;
    for (uint32_t k = nodes[i].first; k < nodes[skip].first; ++k) {
      RemoveToken(allowed, trie_->tokens()[k]);
    }
    CLAMMA_RETURN_IF_ERROR(Walk(automaton, i, skip, state, 0, allowed));
  }
  return Status();
}

// Adds the tokens of nodes [begin, end) whose bytes lead somewhere. The set has those of the plain
// trie that have up to `in_set` characters.
Status TokenMasks::Walk(Automaton& automaton, uint32_t begin, uint32_t end, MatchState state,
                        size_t in_set, TokenWord* allowed) {
  const TrieNode* const nodes = trie_->nodes();
  const bool is_plain = begin < trie_->n_plain_nodes();
  MatchState at[VocabularyTrie::kMaxBytes + 1];  // the state at each depth
  at[0] = state;
  for (uint32_t i = begin; i < end;) {
    const TrieNode& node = nodes[i];
    MatchState next = kNoMatch;
    if (!is_plain || node.longest > in_set) {
      CLAMMA_RETURN_IF_ERROR(automaton.Next(at[node.depth - 1], node.byte, &next));
    }
    if (next == kNoMatch) {
      i = node.skip;
      continue;
    }
    bool allows = false;
    if (is_plain) CLAMMA_RETURN_IF_ERROR(AllowsBelow(automaton, node, next, &allows));
    if (allows) {
      AddTokens(node.first, nodes[node.skip].first, allowed);
      i = node.skip;
      continue;
    }
    at[node.depth] = next;
    if (node.has_token != 0) AddToken(allowed, trie_->tokens()[node.first]);
    ++i;
  }
  return Status();
}

void TokenMasks::AddTokens(uint32_t begin, uint32_t end, TokenWord* allowed) const {
  for (uint32_t i = begin; i < end; ++i) AddToken(allowed, trie_->tokens()[i]);
}

// Whether all tokens that end at the node, which led to the state, or below it are allowed. May say
// no for a few tokens, as a walk is faster then.
Status TokenMasks::AllowsBelow(Automaton& automaton, const TrieNode& node, MatchState state,
                               bool* allows) {
  constexpr uint32_t kFewNodes = 4;
  *allows = node.below == 0;
  const auto n_nodes = static_cast<uint32_t>(trie_->nodes() + node.skip - &node);
  if (*allows || node.below == TrieNode::kWithinCharacter || n_nodes <= kFewNodes) return Status();
  size_t run = 0;
  CLAMMA_RETURN_IF_ERROR(FindRun(automaton, state, node.kinds, &run));
  *allows = run >= node.below;
  return Status();
}

TokenMasks::Run& TokenMasks::PlaceOf(MatchState state, KindSet kinds) {
  const uint64_t hash = (uint64_t{state} << 16 | kinds) * 0x9e3779b97f4a7c15u;
  return runs_[static_cast<size_t>(hash >> 32) % kRuns];
}

Status TokenMasks::NextOfKind(Automaton& automaton, MatchState state, unsigned kind,
                              MatchState* next) {
  if (generation_ != automaton.generation()) {
    for (Array<MatchState>& block : kind_next_) block.Reset();
  }
  generation_ = automaton.generation();
  Array<MatchState>& block = kind_next_[state / kBlockStates];
  if (block.size() == 0) {
    CLAMMA_RETURN_IF_ERROR(block.Resize(*memory_, uint64_t{kBlockStates} * kKinds));
    std::fill_n(block.data(), block.size(), kUnknown);
  }
  MatchState& known = block[state % kBlockStates * kKinds + kind];
  if (known == kUnknown) CLAMMA_RETURN_IF_ERROR(ComputeNext(automaton, state, kind, &known));
  *next = known;
  return Status();
}

Status TokenMasks::NextOfKinds(Automaton& automaton, MatchState state, KindSet kinds,
                               MatchState* next) {
  MatchState common = kNoMatch;
  *next = kNoMatch;
  for (unsigned left = kinds; left != 0; left &= left - 1) {
    MatchState at = kNoMatch;
    const auto kind = static_cast<unsigned>(__builtin_ctz(left));
    CLAMMA_RETURN_IF_ERROR(NextOfKind(automaton, state, kind, &at));
    if (at == kNoMatch || (common != kNoMatch && at != common)) return Status();
    common = at;
  }
  *next = common;
  return Status();
}

// Returns how many characters of these kinds may follow, whatever they are, up to kMaxPlain.
Status TokenMasks::FindRun(Automaton& automaton, MatchState state, KindSet kinds, size_t* run) {
  MatchState passed[VocabularyTrie::kMaxPlain];
  size_t n = 0;
  size_t length = 0;
  for (; n < VocabularyTrie::kMaxPlain; ++n) {
    const Run& known = PlaceOf(state, kinds);
    if (known.state == state && known.kinds == kinds &&
        known.generation == automaton.generation()) {
      length = known.length;
      break;
    }
    passed[n] = state;
    MatchState next = kNoMatch;
    CLAMMA_RETURN_IF_ERROR(NextOfKinds(automaton, state, kinds, &next));
    if (next == state) length = VocabularyTrie::kMaxPlain;
    if (next == kNoMatch || next == state) {
      PlaceOf(state, kinds) = {state, automaton.generation(), kinds, static_cast<uint8_t>(length)};
      break;
    }
    state = next;
  }
  while (n > 0) {
    length = std::min(length + 1, VocabularyTrie::kMaxPlain);
    --n;
    PlaceOf(passed[n], kinds) = {passed[n], automaton.generation(), kinds,
                                 static_cast<uint8_t>(length)};
  }
  *run = length;
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
