// SPDX-License-Identifier: MIT
#include "engine/grammar/constraint_slot.h"

#include "engine/grammar/constraint.h"
#include "engine/grammar/vocabulary_trie.h"

namespace clamma {

SharedTrie::~SharedTrie() { DeleteObject(memory_.arena(), trie_.load()); }

Status SharedTrie::Get(const Tokenizer& tokenizer, const VocabularyTrie** trie) const {
  VocabularyTrie* known = trie_.load(std::memory_order_acquire);
  *trie = known;
  if (known != nullptr) return Status();
  auto* const built = NewObject<VocabularyTrie>(memory_.arena());
  if (built == nullptr) return Status::OutOfMemory(sizeof(VocabularyTrie));
  const Status status = built->Build(memory_, tokenizer);
  const bool is_first =
      status.ok() && trie_.compare_exchange_strong(known, built, std::memory_order_acq_rel);
  *trie = is_first ? built : known;
  if (!is_first) DeleteObject(memory_.arena(), built);
  return status;
}

Status OwnedConstraint::Make(Memory& memory, const GrammarText& text, const Tokenizer& tokenizer,
                             const SharedTrie& shared, GrammarCache& cache,
                             const TokenId* stop_tokens, size_t n_stop_tokens) {
  if (memory.is_plan()) {
    memory.PlanFor(kPlannedBytes);
    return Status();
  }
  const VocabularyTrie* trie = nullptr;
  CLAMMA_RETURN_IF_ERROR(shared.Get(tokenizer, &trie));
  Reset();
  memory_ = &memory;
  CLAMMA_RETURN_IF_ERROR(cache.Get(memory, text, tokenizer, &grammar_));
  constraint_ = NewObject<Constraint>(memory.arena());
  if (constraint_ == nullptr) return Status::OutOfMemory(sizeof(Constraint));
  return constraint_->Init(memory, grammar_->program(), text, tokenizer, *trie, stop_tokens,
                           n_stop_tokens);
}

void OwnedConstraint::Reset() {
  if (constraint_ != nullptr) DeleteObject(memory_->arena(), constraint_);
  constraint_ = nullptr;
  if (grammar_ != nullptr) GrammarCache::Release(*memory_, grammar_);
  grammar_ = nullptr;
}

}  // namespace clamma
