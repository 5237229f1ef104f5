// SPDX-License-Identifier: MIT
// The compiled grammars of a transformer. A grammar is compiled once, however many queries have it,
// also if they start together: the others wait for the first one. It is kept as long as a query has
// it, and after that until room is needed.
#ifndef CLAMMA_ENGINE_GRAMMAR_GRAMMAR_CACHE_H_
#define CLAMMA_ENGINE_GRAMMAR_GRAMMAR_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/grammar/compile.h"
#include "engine/grammar/json_schema.h"
#include "engine/grammar/program.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "platform/threads.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

class GrammarCache;

// A grammar compiled for a vocabulary. Constant, so that any number of queries may use it.
class CompiledGrammar {
 public:
  explicit CompiledGrammar(Arena* arena) : memory_(arena) {}
  CompiledGrammar(const CompiledGrammar&) = delete;
  CompiledGrammar& operator=(const CompiledGrammar&) = delete;

  const Program& program() const { return program_; }
  // The constraints of a JSON schema that were dropped.
  const DroppedConstraints& dropped() const { return dropped_; }

 private:
  friend class GrammarCache;

  uint64_t bytes() const { return sizeof(*this) + memory_.bytes_in_use(); }

  Memory memory_;  // of a grammar that is shared; destroyed last
  Program program_;
  DroppedConstraints dropped_;

  // The mutex of GrammarCache protects the following.
  GrammarCache* cache_ = nullptr;    // nullptr: it is not shared
  CompiledGrammar* next_ = nullptr;  // one that was used before
  size_t users_ = 0;
  bool is_compiling_ = false;
  bool is_listed_ = false;
  Status status_;  // of the compilation
  // The key: the texts one after the other.
  Array<char> key_;
  uint64_t hash_ = 0;
  GrammarText shape_;  // without its texts
};

class GrammarCache {
 public:
  // What is kept of grammars that no query has: the bytes and the number.
  static constexpr uint64_t kMaxIdleBytes = uint64_t{16} << 20;
  static constexpr size_t kMaxIdle = 256;

  // `memory` is the transformer's. In an arena nothing is kept or shared.
  explicit GrammarCache(Memory& memory);
  ~GrammarCache();
  GrammarCache(const GrammarCache&) = delete;
  GrammarCache& operator=(const GrammarCache&) = delete;

  // Finds or compiles a grammar, for Release(). In an arena it is allocated from `memory`.
  Status Get(Memory& memory, const GrammarText& text, const Tokenizer& tokenizer,
             CompiledGrammar** grammar);
  // `memory` is the one that Get() got.
  static void Release(Memory& memory, CompiledGrammar* grammar);

  struct Facts {
    size_t grammars = 0;    // that are held
    uint64_t bytes = 0;     // of them
    uint64_t compiled = 0;  // since the transformer was constructed
  };
  Facts facts() const;

  // Between these calls no other thread changes a cache. To be used around fork().
  static void LockAll() { mutex_.Lock(); }
  static void UnlockAll() { mutex_.Unlock(); }
  // For a forked child, in which the threads that compile or wait do not exist.
  static void BecomeChildOfFork();

 private:
  struct Key;

  Status GetShared(const GrammarText& text, const Tokenizer& tokenizer, CompiledGrammar** grammar);
  CompiledGrammar* Use(const Key& key);
  static Status Make(const Key& key, CompiledGrammar** grammar);
  void Enter(CompiledGrammar* grammar);
  static Status WaitFor(CompiledGrammar* used, CompiledGrammar** grammar);
  static void Drop(CompiledGrammar* grammar);
  void List(CompiledGrammar* grammar);
  void Unlist(CompiledGrammar* grammar);
  void Bound();
  bool EvictOldest();
  static bool Reclaim(Arena* arena);

  // NOLINTBEGIN(readability-identifier-naming)
  static Mutex mutex_;         // allocations must not happen under it
  static Condition compiled_;  // some compilation has ended
  static GrammarCache* caches_;
  // NOLINTEND(readability-identifier-naming)
  // What frees what others keep only in case it is useful; and whether Reclaim() is called.
  static std::atomic<ReclaimFunction> next_reclaim_;  // NOLINT(readability-identifier-naming)
  static bool reclaims_;                              // NOLINT(readability-identifier-naming)

  const bool is_shared_;
  GrammarCache* next_cache_ = nullptr;
  CompiledGrammar* first_ = nullptr;  // by the time of their last use
  uint64_t n_compiled_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_GRAMMAR_GRAMMAR_CACHE_H_
