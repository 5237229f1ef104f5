// SPDX-License-Identifier: MIT
#include "engine/grammar/grammar_cache.h"

#include <algorithm>
#include <utility>

namespace clamma {

constinit Mutex GrammarCache::mutex_;
constinit Condition GrammarCache::compiled_;
constinit GrammarCache* GrammarCache::caches_ = nullptr;
constinit std::atomic<ReclaimFunction> GrammarCache::next_reclaim_{nullptr};
constinit bool GrammarCache::reclaims_ = false;

struct GrammarCache::Key {
  explicit Key(const GrammarText& grammar) : shape(grammar), text(grammar.text) {
    trigger = grammar.trigger;
    shape.text = {};
    shape.trigger = {};
    for (const std::string_view part : {text, trigger}) {
      for (const char c : part) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
      hash = (hash ^ part.size()) * 0x9e3779b97f4a7c15u;
    }
  }
  bool Fits(const CompiledGrammar& grammar) const {
    const std::string_view key(grammar.key_.data(), grammar.key_.size());
    return grammar.hash_ == hash && grammar.shape_ == shape &&
           key.size() == text.size() + trigger.size() &&
           std::equal(text.begin(), text.end(), key.begin()) &&
           std::equal(trigger.begin(), trigger.end(), key.end() - trigger.size());
  }

  GrammarText shape;
  std::string_view text;
  std::string_view trigger;
  uint64_t hash = 0xcbf29ce484222325u;
};

GrammarCache::GrammarCache(Memory& memory)
    : is_shared_(memory.arena() == nullptr && !memory.is_plan()) {
  if (!is_shared_) return;
  const MutexLock lock(mutex_);
  next_cache_ = std::exchange(caches_, this);
  if (!reclaims_) next_reclaim_.store(reclaim_function.exchange(&GrammarCache::Reclaim));
  reclaims_ = true;
}

GrammarCache::~GrammarCache() {
  if (!is_shared_) return;
  const MutexLock lock(mutex_);
  // No query has any of them, except those of threads that a forked child lacks.
  while (CompiledGrammar* const grammar = first_) {
    Unlist(grammar);
    DeleteObject(nullptr, grammar);
  }
  for (GrammarCache** link = &caches_; *link != nullptr; link = &(*link)->next_cache_) {
    if (*link != this) continue;
    *link = next_cache_;
    break;
  }
}

Status GrammarCache::Get(Memory& memory, const GrammarText& text, const Tokenizer& tokenizer,
                         CompiledGrammar** grammar) {
  if (is_shared_) return GetShared(text, tokenizer, grammar);
  auto* const made = NewObject<CompiledGrammar>(memory.arena(), memory.arena());
  if (made == nullptr) return Status::OutOfMemory(sizeof(CompiledGrammar));
  const Status status = CompileGrammar(memory, text, tokenizer, &made->program_, &made->dropped_);
  if (status.ok()) {
    *grammar = made;
  } else {
    DeleteObject(memory.arena(), made);
  }
  return status;
}

Status GrammarCache::GetShared(const GrammarText& text, const Tokenizer& tokenizer,
                               CompiledGrammar** grammar) {
  const NoCancel guard;
  const Key key(text);
  CompiledGrammar* found = nullptr;
  {
    const MutexLock lock(mutex_);
    found = Use(key);
  }
  CompiledGrammar* made = nullptr;
  if (found == nullptr) {
    const Status status = Make(key, &made);
    if (made == nullptr) return status;
    const MutexLock lock(mutex_);
    found = Use(key);  // another thread may have been faster
    if (found == nullptr) Enter(made);
  }
  if (found != nullptr) {
    DeleteObject(nullptr, made);
    return WaitFor(found, grammar);
  }
  const Status status =
      CompileGrammar(made->memory_, text, tokenizer, &made->program_, &made->dropped_);
  {
    const MutexLock lock(mutex_);
    made->status_ = status;
    made->is_compiling_ = false;
    if (!status.ok()) Unlist(made);
    compiled_.NotifyAll();
  }
  return WaitFor(made, grammar);
}

// Makes a grammar that is not compiled yet.
Status GrammarCache::Make(const Key& key, CompiledGrammar** grammar) {
  auto* const made = NewObject<CompiledGrammar>(nullptr, nullptr);
  if (made == nullptr) return Status::OutOfMemory(sizeof(CompiledGrammar));
  made->shape_ = key.shape;
  made->hash_ = key.hash;
  const Status status =
      made->key_.Resize(made->memory_, uint64_t{key.text.size()} + key.trigger.size());
  if (!status.ok()) {
    DeleteObject(nullptr, made);
    return status;
  }
  char* const end = std::copy(key.text.begin(), key.text.end(), made->key_.data());
  std::copy(key.trigger.begin(), key.trigger.end(), end);
  *grammar = made;
  return Status();
}

// Lists a grammar that its user is going to compile.
void GrammarCache::Enter(CompiledGrammar* grammar) {
  grammar->cache_ = this;
  grammar->users_ = 1;
  grammar->is_compiling_ = true;
  List(grammar);
  ++n_compiled_;
}

// Sets *grammar when it is compiled, or drops it if that failed.
Status GrammarCache::WaitFor(CompiledGrammar* used, CompiledGrammar** grammar) {
  Status status;
  {
    const MutexLock lock(mutex_);
    while (used->is_compiling_) compiled_.Wait(mutex_);
    status = used->status_;
  }
  if (status.ok()) {
    *grammar = used;
  } else {
    Drop(used);
  }
  return status;
}

// Returns the grammar of this key with one user more, or nullptr.
CompiledGrammar* GrammarCache::Use(const Key& key) {
  CompiledGrammar* found = first_;
  while (found != nullptr && !key.Fits(*found)) found = found->next_;
  if (found == nullptr) return nullptr;
  ++found->users_;
  Unlist(found);
  List(found);
  return found;
}

void GrammarCache::Release(Memory& memory, CompiledGrammar* grammar) {
  if (grammar->cache_ == nullptr) {
    DeleteObject(memory.arena(), grammar);
  } else {
    Drop(grammar);
  }
}

void GrammarCache::Drop(CompiledGrammar* grammar) {
  const MutexLock lock(mutex_);
  --grammar->users_;
  if (grammar->is_listed_) {
    grammar->cache_->Bound();
  } else if (grammar->users_ == 0) {
    DeleteObject(nullptr, grammar);
  }
}

void GrammarCache::List(CompiledGrammar* grammar) {
  grammar->next_ = std::exchange(first_, grammar);
  grammar->is_listed_ = true;
}

void GrammarCache::Unlist(CompiledGrammar* grammar) {
  CompiledGrammar** link = &first_;
  while (*link != nullptr && *link != grammar) link = &(*link)->next_;
  if (*link == nullptr) return;
  *link = grammar->next_;
  grammar->is_listed_ = false;
}

// Frees what no query has until the rest is within the bounds.
void GrammarCache::Bound() {
  for (;;) {
    uint64_t bytes = 0;
    size_t n = 0;
    for (const CompiledGrammar* g = first_; g != nullptr; g = g->next_) {
      if (g->users_ > 0) continue;
      bytes += g->bytes();
      ++n;
    }
    if (bytes <= kMaxIdleBytes && n <= kMaxIdle) return;
    EvictOldest();
  }
}

// Frees the grammar that no query has and that was used longest ago. Returns false if there is
// none.
bool GrammarCache::EvictOldest() {
  CompiledGrammar* oldest = nullptr;
  for (CompiledGrammar* g = first_; g != nullptr; g = g->next_) {
    if (g->users_ == 0) oldest = g;
  }
  if (oldest == nullptr) return false;
  Unlist(oldest);
  DeleteObject(nullptr, oldest);
  return true;
}

bool GrammarCache::Reclaim(Arena* arena) {
  if (arena == nullptr) {
    const MutexLock lock(mutex_);
    for (GrammarCache* cache = caches_; cache != nullptr; cache = cache->next_cache_) {
      if (cache->EvictOldest()) return true;
    }
  }
  const ReclaimFunction next = next_reclaim_.load();
  return next != nullptr && next(arena);
}

GrammarCache::Facts GrammarCache::facts() const {
  const MutexLock lock(mutex_);
  Facts facts = {.grammars = 0, .bytes = 0, .compiled = n_compiled_};
  for (const CompiledGrammar* g = first_; g != nullptr; g = g->next_) {
    ++facts.grammars;
    facts.bytes += g->bytes();
  }
  return facts;
}

void GrammarCache::BecomeChildOfFork() {
  compiled_.Forget();
  for (GrammarCache* cache = caches_; cache != nullptr; cache = cache->next_cache_) {
    for (CompiledGrammar* g = cache->first_; g != nullptr;) {
      CompiledGrammar* const next = g->next_;
      if (g->is_compiling_) cache->Unlist(g);
      g = next;
    }
  }
}

}  // namespace clamma
