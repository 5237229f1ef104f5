// SPDX-License-Identifier: MIT
#include "engine/continuations.h"

#include <algorithm>

#include "engine/logprobs.h"

namespace clamma {
namespace {

// The likeliest token; of several, the one with the lowest id.
TokenId Likeliest(const float* logits, size_t n) {
  return static_cast<TokenId>(std::max_element(logits, logits + n) - logits);
}

}  // namespace

Continuations::Continuations(Transformer& transformer, const TokenLists& lists,
                             ContinuationScore* out)
    : transformer_(transformer), lists_(lists), out_(out) {
  kv_.Init(transformer.memory, transformer.config(), transformer.kv_type);
  size_t n_long = 0;
  for (size_t list = 1; list < lists.count(); ++list) {
    n_long += IsLong(list) ? 1 : 0;
    total_ += PositionsOf(list);
  }
  const bool has_both = n_long > 0 && n_long < lists.count() - 1;
  total_ += lists.size(0) * (has_both ? 2 : 1);
  is_long_ = n_long > 0 && !has_both;
  kv_.SetLong(is_long_);
}

// Whether the context with this continuation is a long sequence.
bool Continuations::IsLong(size_t list) const {
  const size_t most = transformer_.config().short_context;
  return most > 0 && lists_.size(0) + lists_.size(list) > most;
}

// The positions that a list takes. The last token of a continuation takes none.
size_t Continuations::PositionsOf(size_t list) const {
  return lists_.size(list) - (list == 0 ? 0 : 1);
}

// Moves on to the next list of this round that has positions left, or to the next round.
void Continuations::FindWork() {
  while (list_ < lists_.count() && position_ == PositionsOf(list_)) {
    position_ = 0;
    do {
      ++list_;
    } while (list_ < lists_.count() && IsLong(list_) != is_long_);
  }
  if (list_ < lists_.count() || processed_ == total_) return;
  is_long_ = true;
  kv_.SetLong(true);
  list_ = 0;
}

Status Continuations::RunPart(TurnHeld /*held*/) {
  const Forward& forward = transformer_.forward;
  const size_t most = list_ == 0 ? forward.max_rows() : forward.max_logits();
  const size_t count = std::min(PositionsOf(list_) - position_, most);
  CLAMMA_RETURN_IF_ERROR(RunRows(count));
  position_ += count;
  processed_ += count;
  FindWork();
  return Status();
}

// Runs the next `count` positions of the list, and takes their logits.
Status Continuations::RunRows(size_t count) {
  const size_t n_context = lists_.size(0);
  const size_t first = (list_ == 0 ? 0 : n_context) + position_;
  CLAMMA_RETURN_IF_ERROR(kv_.Reserve(first + count));
  if constexpr (kHasGguf) kv_.StoreFrom(first);
  const TokenId* const tokens = lists_.tokens(list_) + position_;
  ForwardRow* const rows = transformer_.rows.data();
  for (size_t i = 0; i < count; ++i) {
    rows[i] = {tokens[i], first + i, &kv_, nullptr, first + i + 1 >= n_context};
  }
  CLAMMA_RETURN_IF_ERROR(transformer_.forward.Run(rows, count));
  if constexpr (kHasGguf) {
    if (kv_.Overflows(first + count)) return KvCache::OverflowReason();
  }
  for (size_t i = 0; i < count; ++i) {
    if (rows[i].logits == nullptr) continue;
    CLAMMA_RETURN_IF_ERROR(TakeRow(position_ + i, rows[i].logits));
  }
  return Status();
}

// Adds the tokens that follow a position of the list: those with which the continuations of this
// round begin, or the next one of a continuation.
Status Continuations::TakeRow(size_t position, const float* logits) {
  const size_t n = transformer_.config().vocab_size;
  const double total = LogSumExp(logits, n);
  const TokenId likeliest = Likeliest(logits, n);
  if (list_ > 0) {
    return Add(list_, lists_.tokens(list_)[position + 1], logits, total, likeliest);
  }
  for (size_t list = 1; list < lists_.count(); ++list) {
    if (IsLong(list) != is_long_) continue;
    CLAMMA_RETURN_IF_ERROR(Add(list, lists_.tokens(list)[0], logits, total, likeliest));
  }
  return Status();
}

Status Continuations::Add(size_t list, TokenId token, const float* logits, double total,
                          TokenId likeliest) {
  float logprob = 0;
  CLAMMA_RETURN_IF_ERROR(LogprobOf(logits, total, token, &logprob));
  ContinuationScore& score = out_[list - 1];
  score.log_likelihood += static_cast<double>(logprob);
  score.is_greedy &= token == likeliest;
  return Status();
}

}  // namespace clamma
