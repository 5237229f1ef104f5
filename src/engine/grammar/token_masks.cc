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
        Walk(automaton, trie_->n_plain_nodes(), trie_->n_nodes(), state, {}, allowed));
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
  CLAMMA_RETURN_IF_ERROR(FindRun(automaton, state, kAllKinds, VocabularyTrie::kMaxPlain, &run));
  if (run > 0) {
    std::memcpy(allowed, trie_->plain(run), set_bytes);
    if (run == VocabularyTrie::kMaxPlain) return Status();
    return Walk(automaton, 0, end, state, {.longest = run}, allowed);
  }
  CLAMMA_RETURN_IF_ERROR(
      FindRun(automaton, state, kAllAsciiKinds, VocabularyTrie::kMaxPlain, &run));
  if (run == VocabularyTrie::kMaxPlain) {
    std::memcpy(allowed, trie_->ascii(), set_bytes);
    return Walk(automaton, 0, end, state, {.all_ascii = true}, allowed);
  }
  const auto allows_all = [&](const TrieNode& node, bool* allows) {
    MatchState next = kNoMatch;
    *allows = false;
    CLAMMA_RETURN_IF_ERROR(automaton.Next(state, node.byte, &next));
    return next == kNoMatch ? Status() : AllowsBelow(automaton, node, state, next, allows);
  };
  uint32_t n_all = 0;
  for (uint32_t i = 0; i < end; i = nodes[i].skip) {
    bool all = false;
    CLAMMA_RETURN_IF_ERROR(allows_all(nodes[i], &all));
    if (all) n_all += nodes[nodes[i].skip].first - nodes[i].first;
  }
  const bool begins_full = n_all > nodes[end].first / 2;
  std::memcpy(allowed, trie_->plain(begins_full ? VocabularyTrie::kMaxPlain : 0), set_bytes);
  if (!begins_full) return Walk(automaton, 0, end, state, {}, allowed);
  for (uint32_t i = 0; i < end; i = nodes[i].skip) {
    bool all = false;
    CLAMMA_RETURN_IF_ERROR(allows_all(nodes[i], &all));
    if (all) continue;
    const uint32_t skip = nodes[i].skip;
    for (uint32_t k = nodes[i].first; k < nodes[skip].first; ++k) {
      RemoveToken(allowed, trie_->tokens()[k]);
    }
    CLAMMA_RETURN_IF_ERROR(Walk(automaton, i, skip, state, {}, allowed));
  }
  return Status();
}

// Adds the tokens of nodes [begin, end) whose bytes lead somewhere.
Status TokenMasks::Walk(Automaton& automaton, uint32_t begin, uint32_t end, MatchState state,
                        const InSet& in_set, TokenWord* allowed) {
  const TrieNode* const nodes = trie_->nodes();
  const bool is_plain = begin < trie_->n_plain_nodes();
  MatchState at[VocabularyTrie::kMaxBytes + 1];  // the state at each depth
  at[0] = state;
  for (uint32_t i = begin; i < end;) {
    const TrieNode& node = nodes[i];
    MatchState next = kNoMatch;
    if (!is_plain || !in_set.HasBelow(node)) {
      CLAMMA_RETURN_IF_ERROR(automaton.Next(at[node.depth - 1], node.byte, &next));
    }
    if (next == kNoMatch) {
      i = node.skip;
      continue;
    }
    bool allows = false;
    if (is_plain && !in_set.all_ascii) {
      CLAMMA_RETURN_IF_ERROR(AllowsBelow(automaton, node, at[node.depth - 1], next, &allows));
    }
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

// Whether all tokens that end at the node, which leads from one state to the next, or below it are
// allowed. May say no for a few tokens, as a walk is faster then.
Status TokenMasks::AllowsBelow(Automaton& automaton, const TrieNode& node, MatchState before,
                               MatchState after, bool* allows) {
  constexpr uint32_t kFewNodes = 4;
  const bool begins_other = node.byte >= 0xc0;  // the first of several bytes of a character
  *allows = node.below == 0 && !begins_other;
  const auto n_nodes = static_cast<uint32_t>(trie_->nodes() + node.skip - &node);
  if (*allows || node.below == TrieNode::kWithinCharacter || n_nodes <= kFewNodes) return Status();
  size_t run = 0;
  size_t needed = node.below;
  KindSet kinds = node.kinds;
  if (begins_other) {  // any such character is as good
    after = before;
    ++needed;
    kinds |= kOtherKinds;
  }
  CLAMMA_RETURN_IF_ERROR(FindRun(automaton, after, kinds, needed, &run));
  *allows = run >= needed;
  return Status();
}

// Returns false if there is no room, or no state.
bool TokenMasks::AddNext(MatchState state, NextStates* states) {
  if (state == kNoMatch) return false;
  for (unsigned shift = 0; shift < 64; shift += 16) {
    const MatchState there = *states >> shift & 0xffff;
    if (there == state) return true;
    if (there != 0) continue;
    *states |= NextStates{state} << shift;
    return true;
  }
  return false;
}

// Adds the states to which each byte from low to high leads.
Status TokenMasks::FollowAll(Automaton& automaton, NextStates from, unsigned low, unsigned high,
                             NextStates* to) {
  for (; from != 0; from >>= 16) {
    unsigned last_class = 256;
    for (unsigned byte = low; byte <= high; ++byte) {
      const unsigned byte_class = automaton.program().class_of(static_cast<uint8_t>(byte));
      if (byte_class == last_class) continue;
      last_class = byte_class;
      MatchState next = kNoMatch;
      CLAMMA_RETURN_IF_ERROR(automaton.Next(from & 0xffff, static_cast<uint8_t>(byte), &next));
      if (AddNext(next, to)) continue;
      *to = kTooMany;
      return Status();
    }
  }
  return Status();
}

// Adds the states to which characters beyond ASCII lead.
Status TokenMasks::FollowOthers(Automaton& automaton, MatchState state, NextStates* to) {
  for (const OtherBytes& bytes : kOtherBytes) {
    NextStates at = state;
    for (size_t i = 0; i < bytes.n && at != kTooMany; ++i) {
      NextStates next = i + 1 == bytes.n ? *to : 0;
      CLAMMA_RETURN_IF_ERROR(
          FollowAll(automaton, at, bytes.ranges[i][0], bytes.ranges[i][1], &next));
      at = next;
    }
    *to = at;
    if (at == kTooMany) break;
  }
  return Status();
}

// Finds the states to which characters of a kind lead.
Status TokenMasks::ComputeNext(Automaton& automaton, MatchState state, unsigned kind, bool detaches,
                               NextStates* next) {
  NextStates found = 0;
  if (kind == kOtherKind) {
    CLAMMA_RETURN_IF_ERROR(FollowOthers(automaton, state, &found));
  } else {
    for (const char byte : kAsciiKinds[kind]) {
      MatchState at = kNoMatch;
      CLAMMA_RETURN_IF_ERROR(automaton.Next(state, static_cast<uint8_t>(byte), &at));
      if (detaches && at != kNoMatch) CLAMMA_RETURN_IF_ERROR(automaton.Detach(at, &at));
      if (AddNext(at, &found)) continue;
      found = kTooMany;
      break;
    }
  }
  *next = found;
  if (kind != kOtherKind || !detaches || found == kTooMany) return Status();
  *next = 0;
  for (; found != 0; found >>= 16) {
    MatchState at = kNoMatch;
    CLAMMA_RETURN_IF_ERROR(automaton.Detach(found & 0xffff, &at));
    AddNext(at, next);
  }
  return Status();
}

Status TokenMasks::NextOfKind(Automaton& automaton, MatchState state, unsigned kind, bool detaches,
                              NextStates* next) {
  if (generation_ != automaton.generation()) {
    for (auto& blocks : kind_next_) {
      for (Array<NextStates>& block : blocks) block.Reset();
    }
  }
  generation_ = automaton.generation();
  Array<NextStates>& block = kind_next_[detaches ? 1 : 0][state / kBlockStates];
  if (block.size() == 0) {
    CLAMMA_RETURN_IF_ERROR(block.Resize(*memory_, uint64_t{kBlockStates} * kKinds));
  }
  NextStates& known = block[state % kBlockStates * kKinds + kind];
  if (known == kUnknown) {
    NextStates found = kUnknown;
    CLAMMA_RETURN_IF_ERROR(ComputeNext(automaton, state, kind, detaches, &found));
    known = found;
  }
  *next = known;
  return Status();
}

TokenMasks::Run* TokenMasks::PlaceOf(const Run& run) {
  const uint64_t key =
      uint64_t{run.state} << 17 | uint64_t{run.kinds} << 1 | (run.detaches ? 1 : 0);
  return &runs_[static_cast<size_t>(key * 0x9e3779b97f4a7c15u >> 32) % kRuns];
}

// Sets *run to how many characters of these kinds may follow, whatever they are, up to kMaxPlain,
// or to fewer, which are `enough`. May find too few.
Status TokenMasks::FindRun(Automaton& automaton, MatchState state, KindSet kinds, size_t enough,
                           size_t* run) {
  Run found = {state, automaton.generation(), kinds, 0, true, false};
  CLAMMA_RETURN_IF_ERROR(automaton.Detach(state, &found.state));
  CLAMMA_RETURN_IF_ERROR(ComputeRun(automaton, &found));
  if (found.length < enough && found.meets_end) {
    // More may follow where the rules around these states go on.
    found = {state, automaton.generation(), kinds, 0, false, false};
    CLAMMA_RETURN_IF_ERROR(ComputeRun(automaton, &found));
  }
  *run = found.length;
  return Status();
}

// Adds the states to which characters of the kinds lead to those seen (n_seen). *goes_on: whether
// each of them leads to one, and there is room.
Status TokenMasks::FollowKinds(Automaton& automaton, const Run& run, MatchState state,
                               MatchState* seen, size_t* n_seen, bool* goes_on) {
  *goes_on = false;
  for (unsigned left = run.kinds; left != 0; left &= left - 1) {
    const auto kind = static_cast<unsigned>(__builtin_ctz(left));
    NextStates next = kUnknown;
    CLAMMA_RETURN_IF_ERROR(NextOfKind(automaton, state, kind, run.detaches, &next));
    if (next == kTooMany) return Status();
    for (; next != 0; next >>= 16) {
      const MatchState to = next & 0xffff;
      if (std::find(seen, seen + *n_seen, to) != seen + *n_seen) continue;
      if (*n_seen == kMaxSeen) return Status();
      seen[(*n_seen)++] = to;
    }
  }
  *goes_on = true;
  return Status();
}

// Fills in the length and what the states meet: goes through the states that are reached, by the
// number of characters, up to one from which not every character leads on, or until there are no
// new ones.
Status TokenMasks::ComputeRun(Automaton& automaton, Run* run) {
  const Run& known = *PlaceOf(*run);
  if (known.state == run->state && known.generation == run->generation &&
      known.kinds == run->kinds && known.detaches == run->detaches) {
    *run = known;
    return Status();
  }
  MatchState seen[kMaxSeen] = {run->state};
  size_t n_seen = 1;
  size_t begin = 0;  // of those that are reached by `length` characters
  bool goes_on = true;
  bool is_chain = true;
  while (begin < n_seen && run->length < VocabularyTrie::kMaxPlain) {
    const size_t end = n_seen;
    for (size_t i = begin; i < end && goes_on; ++i) {
      run->meets_end |= automaton.CanEnd(seen[i]);
      CLAMMA_RETURN_IF_ERROR(FollowKinds(automaton, *run, seen[i], seen, &n_seen, &goes_on));
    }
    if (!goes_on) break;
    ++run->length;
    is_chain &= n_seen <= end + 1;
    begin = end;
  }
  const bool is_endless = goes_on && begin == n_seen;
  if (is_endless) run->length = VocabularyTrie::kMaxPlain;
  Keep(*run);
  Run later = *run;
  for (size_t i = 1; i < begin && (is_endless || is_chain); ++i) {
    later.state = seen[i];
    if (!is_endless) --later.length;
    Keep(later);
  }
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
