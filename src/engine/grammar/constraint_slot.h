// SPDX-License-Identifier: MIT
// Where a query keeps its constraint, and a transformer what all constraints share. In builds
// without grammars these are empty.
#ifndef CLAMMA_ENGINE_GRAMMAR_CONSTRAINT_SLOT_H_
#define CLAMMA_ENGINE_GRAMMAR_CONSTRAINT_SLOT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "engine/grammar/compile.h"
#include "engine/grammar/grammar_cache.h"
#include "platform/features.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

class Constraint;
class VocabularyTrie;

// The trie of a vocabulary, built when it is first needed. Any number of threads may call Get().
// Threads that need it at the same time each build one, and the first to be complete is kept: there
// is no lock, because a fork() could happen while another thread holds it.
class SharedTrie {
 public:
  // `memory` must outlive this.
  explicit SharedTrie(Memory& memory) : memory_(memory) {}
  ~SharedTrie();
  SharedTrie(const SharedTrie&) = delete;
  SharedTrie& operator=(const SharedTrie&) = delete;
  Status Get(const Tokenizer& tokenizer, const VocabularyTrie** trie) const;

 private:
  Memory& memory_;
  mutable std::atomic<VocabularyTrie*> trie_{nullptr};
};

// Owns a constraint, or none.
class OwnedConstraint {
 public:
  static constexpr uint64_t kPlannedBytes = uint64_t{24} << 20;

  OwnedConstraint() = default;
  ~OwnedConstraint() { Reset(); }
  OwnedConstraint(const OwnedConstraint&) = delete;
  OwnedConstraint& operator=(const OwnedConstraint&) = delete;

  // See Constraint::Init(). A plan adds kPlannedBytes, because only compiling a grammar tells what
  // it needs: enough for most grammars and their texts with a vocabulary of 128,000 tokens.
  Status Make(Memory& memory, const GrammarText& text, const Tokenizer& tokenizer,
              const SharedTrie& shared, GrammarCache& cache, const TokenId* stop_tokens,
              size_t n_stop_tokens);
  void Reset();
  void Swap(OwnedConstraint& other) {
    std::swap(memory_, other.memory_);
    std::swap(constraint_, other.constraint_);
    std::swap(grammar_, other.grammar_);
  }
  Constraint* get() const { return constraint_; }
  const CompiledGrammar* grammar() const { return grammar_; }

 private:
  Memory* memory_ = nullptr;
  Constraint* constraint_ = nullptr;
  CompiledGrammar* grammar_ = nullptr;
};

struct NoTrie {
  explicit NoTrie(Memory& /*memory*/) {}
};
struct NoGrammars {
  explicit NoGrammars(Memory& /*memory*/) {}
  // NOLINTBEGIN(readability-convert-member-functions-to-static): as those of GrammarCache
  Status Get(Memory& /*memory*/, const GrammarText& /*text*/, const Tokenizer& /*tokenizer*/,
             CompiledGrammar** /*grammar*/) {
    return Status();
  }
  GrammarCache::Facts facts() const { return {}; }
  // NOLINTEND(readability-convert-member-functions-to-static)
};
struct NoConstraint {
  // NOLINTBEGIN(readability-convert-member-functions-to-static): as those of OwnedConstraint
  Status Make(Memory& /*memory*/, const GrammarText& /*text*/, const Tokenizer& /*tokenizer*/,
              const NoTrie& /*shared*/, NoGrammars& /*cache*/, const TokenId* /*stop_tokens*/,
              size_t /*n_stop_tokens*/) {
    return Status();
  }
  void Reset() {}
  void Swap(NoConstraint& /*other*/) {}
  Constraint* get() const { return nullptr; }
  const CompiledGrammar* grammar() const { return nullptr; }
  // NOLINTEND(readability-convert-member-functions-to-static)
};

using GrammarCacheSlot = std::conditional_t<kHasGrammar, GrammarCache, NoGrammars>;
using TrieSlot = std::conditional_t<kHasGrammar, SharedTrie, NoTrie>;
using ConstraintSlot = std::conditional_t<kHasGrammar, OwnedConstraint, NoConstraint>;

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_CONSTRAINT_SLOT_H_
