// SPDX-License-Identifier: MIT
#include "engine/scoring.h"

#include <algorithm>

#include "engine/logprobs.h"

namespace clamma {

Status Scoring::Init(const TokenId* tokens, size_t n, float* logprobs, const Top& top) {
  const ModelConfig& c = transformer_.config();
  if (n > c.seq_len) {
    return Status::Error(StatusCode::kLimit, "the text has %zu tokens, and the context %u", n,
                         static_cast<unsigned>(c.seq_len));
  }
  tokens_ = tokens;
  logprobs_ = logprobs;
  top_ = top;
  CLAMMA_RETURN_IF_ERROR(likeliest_.Init(transformer_.memory, top.n));
  total_ = n - 1;
  kv_.Init(transformer_.memory, c, transformer_.kv_type);
  if (c.short_context > 0) kv_.SetLong(n > c.short_context);
  return kv_.Reserve(n);
}

Status Scoring::RunPart(TurnHeld /*held*/) {
  Forward& forward = transformer_.forward;
  const size_t count = std::min(total_ - processed_, forward.max_logits());
  ForwardRow* const rows = transformer_.rows.data();
  for (size_t i = 0; i < count; ++i) {
    rows[i] = {tokens_[processed_ + i], processed_ + i, &kv_, nullptr, true};
  }
  CLAMMA_RETURN_IF_ERROR(forward.Run(rows, count));
  if constexpr (kHasGguf) {
    if (kv_.Overflows(processed_ + count)) return KvCache::OverflowReason();
  }
  const size_t n_logits = transformer_.config().vocab_size;
  for (size_t i = 0; i < count; ++i, ++processed_) {
    const double total = LogSumExp(rows[i].logits, n_logits);
    CLAMMA_RETURN_IF_ERROR(
        LogprobOf(rows[i].logits, total, tokens_[processed_ + 1], &logprobs_[processed_]));
    if (top_.n == 0) continue;
    likeliest_.Compute(rows[i].logits, n_logits, tokens_[processed_ + 1]);
    std::copy_n(likeliest_.top_tokens(), top_.n, &top_.tokens[processed_ * top_.n]);
    std::copy_n(likeliest_.top_logprobs(), top_.n, &top_.logprobs[processed_ * top_.n]);
  }
  return Status();
}

}  // namespace clamma
