// SPDX-License-Identifier: MIT
// The bytes of a vocabulary's tokens as a trie, to be walked together with an automaton.
#ifndef CLAMMA_ENGINE_GRAMMAR_VOCABULARY_TRIE_H_
#define CLAMMA_ENGINE_GRAMMAR_VOCABULARY_TRIE_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// A set of tokens: bit i % 64 of word i / 64.
using TokenWord = uint64_t;
constexpr size_t TokenWords(uint32_t vocab_size) { return (size_t{vocab_size} + 63) / 64; }
inline void AddToken(TokenWord* set, TokenId token) {
  set[static_cast<uint32_t>(token) / 64] |= TokenWord{1} << static_cast<uint32_t>(token) % 64;
}
inline void RemoveToken(TokenWord* set, TokenId token) {
  set[static_cast<uint32_t>(token) / 64] &= ~(TokenWord{1} << static_cast<uint32_t>(token) % 64);
}
inline bool HasToken(const TokenWord* set, TokenId token) {
  return (set[static_cast<uint32_t>(token) / 64] >> static_cast<uint32_t>(token) % 64 & 1) != 0;
}

// Kinds of plain characters (see VocabularyTrie). Strings of patterns and formats often treat all
// characters of a kind alike.
inline constexpr std::string_view kAsciiKinds[] = {"abcdef",      "ghijklmnopqrstuvwxyz",
                                                   "ABCDEF",      "GHIJKLMNOPQRSTUVWXYZ",
                                                   "0123456789",  " ",
                                                   "-",           "_",
                                                   ".",           "/",
                                                   ":",           "@",
                                                   "!$&'*+=~",    "(),;",
                                                   "#%<>?[]^`{|}"};
inline constexpr unsigned kOtherKind = std::size(kAsciiKinds);  // all characters beyond ASCII
inline constexpr unsigned kKinds = kOtherKind + 1;
using KindSet = uint16_t;
inline constexpr KindSet kAllKinds = UINT16_MAX;
inline constexpr KindSet kOtherKinds = KindSet{1} << kOtherKind;
inline constexpr KindSet kAllAsciiKinds = kAllKinds - kOtherKinds;
static_assert(kKinds == 16);

// A byte that follows those of the nodes above. Nodes are in preorder.
struct TrieNode {
  static constexpr uint8_t kWithinCharacter = 255;

  uint32_t skip;   // the next node that is not below this one
  uint32_t first;  // of tokens(): those that end here or below go up to that of `skip`
  uint8_t byte;
  uint8_t depth;      // from 1: the number of bytes up to this one
  uint8_t has_token;  // whether a token ends here: it is the first one
  // In the plain trie: the most characters of a token that ends here or below, the most that follow
  // this node's character (kWithinCharacter: its byte neither begins nor ends one), and the kinds
  // of all that follow.
  uint8_t longest;
  uint8_t below;
  uint8_t is_ascii;  // whether all tokens that end here or below are ASCII
  KindSet kinds;
};

// Constant once built, so any number of threads may use it.
//
// The tokens that the model may generate, that add text, and that do not end it are in one of two
// tries. The plain one has those of up to kMaxPlain characters, none of which is a control
// character, a quotation mark or a backslash: what any JSON string may contain. Where a state
// allows all such characters, these tokens need no walk.
class VocabularyTrie {
 public:
  static constexpr size_t kMaxBytes = 255;  // of a token; longer ones are in no trie
  static constexpr size_t kMaxPlain = 32;

  Status Build(Memory& memory, const Tokenizer& tokenizer);

  const TrieNode* nodes() const { return nodes_.data(); }  // (n_nodes + 1): the last one is no node
  uint32_t n_plain_nodes() const { return n_plain_nodes_; }  // those of the plain trie come first
  uint32_t n_nodes() const { return n_nodes_; }
  const TokenId* tokens() const { return tokens_.data(); }  // in order of their nodes

  size_t n_words() const { return n_words_; }  // of a set of tokens
  // The tokens of the plain trie that have at most n characters, n <= kMaxPlain.
  const TokenWord* plain(size_t n) const { return sets_.data() + (kPlain + n) * n_words_; }
  const TokenWord* ascii() const {
    return sets_.data() + kAscii * n_words_;
  }  // those that are ASCII
  // Those that end texts; and all others, with or without text. Only tokens that may be generated.
  const TokenWord* ends() const { return sets_.data() + kEnds * n_words_; }
  const TokenWord* others() const { return sets_.data() + kOthers * n_words_; }
  // The others that add no text.
  const TokenWord* silent() const { return sets_.data() + kSilent * n_words_; }

 private:
  enum Set : size_t { kEnds, kOthers, kSilent, kAscii, kPlain, kSets = kPlain + kMaxPlain + 1 };
  struct Entry {
    const char* bytes;
    uint32_t length;
    TokenId token;
    uint32_t plain;  // characters; 0: it is not plain
  };

  TokenWord* set(size_t which) { return sets_.data() + which * n_words_; }
  size_t ListTokens(const Tokenizer& tokenizer, Entry* entries);
  static bool Before(const Entry& a, const Entry& b);
  static size_t SharedWith(const Entry& previous, const Entry& entry);
  void AddNodes(const Entry* entries, size_t n);
  void DescribePlainNodes();

  Array<TrieNode> nodes_;
  Array<TokenId> tokens_;
  uint32_t n_nodes_ = 0;
  uint32_t n_plain_nodes_ = 0;
  size_t n_words_ = 0;
  Array<TokenWord> sets_;  // (kSets, n_words)
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_VOCABULARY_TRIE_H_
