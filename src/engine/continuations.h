// SPDX-License-Identifier: MIT
// How likely continuations of a context are.
#ifndef CLAMMA_ENGINE_CONTINUATIONS_H_
#define CLAMMA_ENGINE_CONTINUATIONS_H_

#include <cstddef>

#include "engine/guards.h"
#include "engine/token_lists.h"
#include "engine/transformer.h"
#include "model/kv_cache.h"
#include "platform/status.h"

namespace clamma {

struct ContinuationScore {
  double log_likelihood = 0;
  bool is_greedy = true;
};

// Processes the context, then each continuation in place of the one before. Continuations that make
// the sequence so long that all of its positions are rotated differently
// (ModelConfig::short_context) follow in a second round, after the context again.
class Continuations {
 public:
  // List 0 is the context. The others are continuations; each fits into the model's context behind
  // it. `out` has an entry for each of them, as constructed. All must outlive this.
  Continuations(Transformer& transformer, const TokenLists& lists, ContinuationScore* out);

  bool done() const { return list_ == lists_.count(); }
  size_t processed() const { return processed_; }  // positions ...
  size_t total() const { return total_; }          // ... of this many
  Status RunPart(TurnHeld held);                   // unless it is done

 private:
  bool IsLong(size_t list) const;
  size_t PositionsOf(size_t list) const;
  void FindWork();
  Status RunRows(size_t count);
  Status TakeRow(size_t position, const float* logits);
  Status Add(size_t list, TokenId token, const float* logits, double total, TokenId likeliest);

  Transformer& transformer_;
  const TokenLists& lists_;
  ContinuationScore* const out_;  // (lists_.count() - 1)
  KvCache kv_;
  bool is_long_ = false;  // whether this is the second round
  size_t list_ = 0;       // the list to process next
  size_t position_ = 0;   // its next position, counted from its first
  size_t processed_ = 0;
  size_t total_ = 0;
};

}  // namespace clamma

#endif  // CLAMMA_ENGINE_CONTINUATIONS_H_
