// SPDX-License-Identifier: MIT
// Reads any bytes as a grammar: the first byte chooses GBNF or a regular expression, a trigger (a
// text or a token), whether the grammar goes through a cache, and the tokens that are taken. In
// each state that they lead to, the mask of a small vocabulary must equal what the bytes of each
// token do, and something must be allowed. A cache must share equal grammars, and no others.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/automaton.h"
#include "engine/grammar/gbnf.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/grammar_cache.h"
#include "engine/grammar/program.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/token_masks.h"
#include "engine/grammar/trigger.h"
#include "engine/grammar/vocabulary_trie.h"
#include "platform/memory.h"
#include "tokenizer/tokenizer.h"

namespace {

using clamma::MatchState;
using clamma::Status;
using clamma::StatusCode;
using clamma::TokenId;

void Demand(bool holds) {
  if (!holds) std::abort();
}

void Put32(uint32_t value, std::string* file) {
  for (int i = 0; i < 4; ++i) *file += static_cast<char>(value >> 8 * i);
}

// A vocabulary in llama2.c's format: unknown, BOS, EOS, the bytes, and a few longer tokens.
class Vocabulary {
 public:
  Vocabulary() {
    std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
    for (unsigned byte = 0; byte < 256; ++byte) {
      static constexpr char kHex[] = "0123456789ABCDEF";
      tokens.push_back(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">");
    }
    for (const char* text : {"a", "b", "ab", " a", "aa", "\"", "\",", "x\"", "\xc3\xa9", "\xe2\x82",
                             "\n\n", "root", "abc", "012", "\\n"})
      tokens.emplace_back(text);
    Put32(27, &file_);
    for (const std::string& token : tokens) {
      Put32(0, &file_);
      Put32(static_cast<uint32_t>(token.size()), &file_);
      file_ += token;
    }
    const auto* bytes = reinterpret_cast<const uint8_t*>(file_.data());
    Demand(
        tokenizer_.Open(memory_, bytes, file_.size(), static_cast<uint32_t>(tokens.size())).ok());
    Demand(trie_.Build(memory_, tokenizer_).ok());
  }
  const clamma::Tokenizer& tokenizer() const { return tokenizer_; }
  const clamma::VocabularyTrie& trie() const { return trie_; }

 private:
  std::string file_;
  clamma::Memory memory_;
  clamma::Tokenizer tokenizer_;
  clamma::VocabularyTrie trie_;
};

constexpr TokenId kTriggerToken = 261;  // "ab"

// Whether the token's bytes lead somewhere; *status is kLimit if that is too much work.
bool Leads(clamma::Automaton& automaton, MatchState state, std::string_view bytes, Status* status) {
  if (bytes.empty()) return false;
  for (const char c : bytes) {
    *status = automaton.Next(state, static_cast<uint8_t>(c), &state);
    if (!status->ok() || state == clamma::kNoMatch) return false;
  }
  return true;
}

void CheckMask(const Vocabulary& vocabulary, const clamma::TokenMasks& masks,
               clamma::Automaton& automaton, MatchState state, const clamma::TokenMask& mask) {
  const clamma::Tokenizer& tokenizer = vocabulary.tokenizer();
  Demand(mask.any);
  for (uint32_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    Status status;
    bool expected = false;
    if (automaton.HasTokenEdges(state)) {
      MatchState next = state;
      status = masks.Advance(automaton, token, false, &next);
      expected = next != clamma::kNoMatch;
    } else {
      expected = Leads(automaton, state, tokenizer.Bytes(token), &status);
    }
    if (!status.ok()) return;
    if (!tokenizer.IsGenerated(token)) expected = false;
    if (tokenizer.EndsText(token)) expected = automaton.CanEnd(state);
    Demand(clamma::HasToken(mask.allowed, token) == expected);
  }
}

// Takes up to 12 tokens, which the seed chooses.
void Generate(const Vocabulary& vocabulary, const clamma::Program& program, uint32_t seed) {
  clamma::Memory memory;
  clamma::Automaton automaton;
  clamma::TokenMasks masks;
  if (!automaton.Init(memory, program).ok()) return;
  Demand(masks.Init(memory, vocabulary.trie(), vocabulary.tokenizer()).ok());
  MatchState state = automaton.start();
  for (int step = 0; step < 12; ++step) {
    clamma::TokenMask mask;
    if (!masks.Find(automaton, state, false, &mask).ok()) return;
    CheckMask(vocabulary, masks, automaton, state, mask);
    std::vector<TokenId> others;
    for (uint32_t i = 0; i < vocabulary.tokenizer().vocab_size(); ++i) {
      const auto token = static_cast<TokenId>(i);
      if (!clamma::HasToken(mask.allowed, token)) continue;
      if (!vocabulary.tokenizer().EndsText(token)) others.push_back(token);
    }
    if (others.empty()) return;
    seed = seed * 1664525 + 1013904223;
    if (!masks.Advance(automaton, others[(seed >> 16) % others.size()], false, &state).ok()) return;
    Demand(state != clamma::kNoMatch);
    if (step == 6 && automaton.Trim(&state).ok()) Demand(state != clamma::kNoMatch);
  }
}

// Compiles a grammar in a cache, twice, and another one with the same text.
void UseCache(const Vocabulary& vocabulary, std::string_view text, uint8_t choice) {
  clamma::Memory memory;
  clamma::GrammarCache cache(memory);
  clamma::GrammarText wanted = {.source = static_cast<clamma::GrammarSource>((choice & 3) % 3),
                                .text = text,
                                .trigger = (choice & 8) != 0 ? "aab" : "",
                                .trigger_token = clamma::kNoToken,
                                .repeats = (choice & 16) != 0,
                                .is_loose = (choice & 4) != 0};
  if ((choice & 32) != 0) {
    wanted.trigger = {};
    wanted.trigger_token = kTriggerToken;
  }
  clamma::CompiledGrammar* grammars[3] = {};
  const Status status = cache.Get(memory, wanted, vocabulary.tokenizer(), &grammars[0]);
  Demand(status.ok() == (std::strlen(status.message()) == 0));
  Demand(cache.facts().grammars == (status.ok() ? 1 : 0));
  if (!status.ok()) return;
  Demand(cache.Get(memory, wanted, vocabulary.tokenizer(), &grammars[1]).ok());
  Demand(grammars[1] == grammars[0] && cache.facts().compiled == 1);
  wanted.repeats = !wanted.repeats;
  if (cache.Get(memory, wanted, vocabulary.tokenizer(), &grammars[2]).ok()) {
    Demand(grammars[2] != grammars[0] && cache.facts().grammars == 2);
    clamma::GrammarCache::Release(memory, grammars[2]);
  }
  Generate(vocabulary, grammars[0]->program(), choice);
  for (int i = 0; i < 2; ++i) clamma::GrammarCache::Release(memory, grammars[i]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t n) {
  static const auto& vocabulary = *new Vocabulary;
  if (n == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, n - 1);
  if ((bytes[0] & 64) != 0) {
    UseCache(vocabulary, text, bytes[0]);
    return 0;
  }
  clamma::Memory memory;
  {
    clamma::Grammar grammar(memory);
    Status status;
    if ((bytes[0] & 1) == 0) {
      status = ParseGbnf(text, &grammar);
    } else {
      clamma::RuleId root = 0;
      clamma::NodeId node = 0;
      const clamma::RegexOptions options = {.search = (bytes[0] & 2) != 0,
                                            .json_string = (bytes[0] & 4) != 0};
      Demand(grammar.AddRule("root", &root).ok());
      status = ParseRegex(text, options, &grammar, &node);
      if (status.ok()) status = grammar.DefineRule(root, node);
    }
    const bool repeats = (bytes[0] & 16) != 0;
    if (status.ok() && (bytes[0] & 8) != 0) {
      status = AddTrigger("aab", repeats, &grammar);
    } else if (status.ok() && (bytes[0] & 32) != 0) {
      status = AddTriggerToken(kTriggerToken, repeats, &grammar);
    }
    clamma::Program program;
    if (status.ok()) status = program.Compile(memory, grammar, &vocabulary.tokenizer());
    if (status.ok()) Generate(vocabulary, program, bytes[0]);
    Demand(status.ok() == (std::strlen(status.message()) == 0));
  }
  Demand(memory.bytes_in_use() == 0);
  return 0;
}
