// SPDX-License-Identifier: MIT
// Byte-level byte-pair merging: of all neighbouring tokens that have a merge, the pair with the
// lowest rank (the leftmost of equals) merges first, until no pair has a merge. With a heap of
// candidates this takes O(n log n), however long a word is.
#ifndef CLAMMA_TOKENIZER_RANK_MERGES_H_
#define CLAMMA_TOKENIZER_RANK_MERGES_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/vocabulary.h"

namespace clamma {

class Gguf;

// Decodes a text of a byte-level vocabulary, in which each byte is written as one character of
// GPT-2's alphabet (bytes_to_unicode() in https://github.com/openai/gpt-2, src/encoder.py), to its
// bytes. A text with other characters stands for itself. Writes the bytes to out (text.size()),
// which may be nullptr, and returns their number.
size_t BytesOfAlphabet(std::string_view text, uint8_t* out);
// Whether all characters of the text are in that alphabet.
bool IsOfAlphabet(std::string_view text);

// The merges of a vocabulary. Constant once read.
class RankMerges {
 public:
  // Reads the merges of a GGUF file ("LEFT RIGHT", in order of rank). A merge of texts that are not
  // tokens can never apply, and is left out.
  Status Read(Memory& memory, const Gguf& gguf, const Vocabulary& vocabulary);

  struct Merge {
    TokenId left;
    TokenId right;
    TokenId result;
    // Consecutive merges with the same result share a rank: files made from lists of tokens contain
    // all ways to make a token, of which the leftmost applies (https://github.com/openai/tiktoken).
    uint32_t rank;
  };
  const Merge* Find(TokenId left, TokenId right) const;  // nullptr: they do not merge
  size_t size() const { return n_merges_; }

 private:
  size_t FirstSlot(TokenId left, TokenId right) const;
  static bool ReadLine(std::string_view line, const Vocabulary& vocabulary, uint8_t* text,
                       Merge* merge);
  void Add(const Merge& merge);

  Array<Merge> merges_;
  Array<uint32_t> index_;  // open-addressing hash table: 1 + index of the merge; 0: free
  size_t n_merges_ = 0;
  uint64_t hash_seed_ = 0;
};

// Merges one word after another, reusing the same memory.
class RankMerger {
 public:
  RankMerger(const Vocabulary& vocabulary, const RankMerges& merges)
      : vocabulary_(vocabulary), merges_(merges) {}

  // Reserves memory for words of up to max_bytes bytes.
  Status Reserve(Memory& memory, uint64_t max_bytes);

  // Writes the tokens of a word, at most one for each byte, and returns their number. Bytes without
  // a token are left out, as in https://github.com/huggingface/tokenizers.
  size_t Run(std::string_view word, TokenId* tokens);

 private:
  struct Symbol {
    TokenId token;
    uint32_t previous;
    uint32_t next;
    bool is_merged;  // into its left neighbour
  };
  struct Candidate {
    uint64_t order;  // rank, then index of the left symbol
    const RankMerges::Merge* merge;
  };

  void Consider(uint32_t left);
  void Apply(const Candidate& candidate);

  const Vocabulary& vocabulary_;
  const RankMerges& merges_;
  Array<Symbol> symbols_;
  Array<Candidate> heap_;
  size_t heap_size_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_TOKENIZER_RANK_MERGES_H_
