// SPDX-License-Identifier: MIT
#include "engine/forced_pass.h"

#include <algorithm>

#include "engine/query.h"

namespace clamma {

Status ForcedPass::Init(const TokenId* tokens, size_t n, size_t n_prompt,
                        const SamplingOptions& sampling, uint64_t seed, ForcedToken* out) {
  const ModelConfig& c = transformer_.config();
  // The last token of a session needs no position.
  if (n > size_t{c.seq_len} + 1) {
    return Status::Error(StatusCode::kLimit, "%zu tokens do not fit in the context of %u", n,
                         static_cast<unsigned>(c.seq_len));
  }
  if (n_prompt == 0 || n_prompt > n) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "a prompt of %zu tokens is not one of 1 .. %zu", n_prompt, n);
  }
  if (seed == 0 && sampling.temperature != 0) {
    return Status::Error(StatusCode::kInvalidArgument, "rng_seed must be the seed of the query");
  }
  for (size_t i = 0; i < n; ++i) CLAMMA_RETURN_IF_ERROR(CheckToken(c, "tokens", i, tokens[i]));
  for (size_t i = 0; i < sampling.n_biases; ++i) {
    CLAMMA_RETURN_IF_ERROR(CheckToken(c, "logit_bias", i, sampling.biases[i].token));
  }
  tokens_ = tokens;
  n_ = n;
  n_prompt_ = n_prompt;
  sampling_ = sampling;
  random_ = RandomGenerator(seed);
  out_ = out;
  kv_.Init(transformer_.memory, c, transformer_.kv_type);
  if (n == n_prompt) return Status();  // no token was generated: nothing to compute
  // The logits of a generated token are computed with the factors for the tokens before it.
  const size_t n_short = c.short_context > 0 ? c.short_context : SIZE_MAX;
  const bool is_long = n_prompt > n_short;
  total_ = n - 1;
  if (!is_long && n - 1 > n_short) total_ += n_short;
  first_logits_ = n_prompt - 1;
  Restart(is_long);
  return Status();
}

// Begins with the first token again, with these factors.
void ForcedPass::Restart(bool is_long) {
  const size_t short_context = transformer_.config().short_context;
  end_ = short_context > 0 && !is_long ? std::min(n_ - 1, short_context) : n_ - 1;
  if (!kv_.Covers(0)) kv_.Restart();
  kv_.SetLong(is_long);
  position_ = 0;
}

// Assigns the next positions to rows of the pass; returns how many.
size_t ForcedPass::FillRows() {
  const Forward& forward = transformer_.forward;
  const size_t most = std::min(end_ - position_, forward.max_rows());
  size_t count = 0;
  for (size_t n_logits = 0; count < most; ++count) {
    const size_t position = position_ + count;
    const bool wants_logits = position >= first_logits_;
    if (wants_logits && ++n_logits > forward.max_logits()) break;
    transformer_.rows[count] = {tokens_[position], position, &kv_, nullptr, wants_logits};
  }
  return count;
}

// Hashes the logits of a row, and samples from them.
Status ForcedPass::Finish(const ForwardRow& row) {
  const size_t n_context = row.position + 1;
  const size_t index = n_context - n_prompt_;
  hash_ = AddLogits(hash_, row.logits, transformer_.config().vocab_size);
  out_[index].hash = hash_;
  const SampledContext context = {tokens_, n_context, index};
  return transformer_.samplers[0].Sample(row.logits, sampling_, context, &random_,
                                         &out_[index].sampled);
}

Status ForcedPass::RunPart(TurnHeld /*held*/) {
  if (position_ == end_) Restart(true);
  const size_t count = FillRows();
  CLAMMA_RETURN_IF_ERROR(kv_.Reserve(position_ + count));
  if constexpr (kHasGguf) kv_.StoreFrom(position_);
  ForwardRow* const rows = transformer_.rows.data();
  CLAMMA_RETURN_IF_ERROR(transformer_.forward.Run(rows, count));
  position_ += count;
  processed_ += count;
  if constexpr (kHasGguf) {
    if (kv_.Overflows(position_)) return KvCache::OverflowReason();
    if (transformer_.memory.arena() == nullptr) kv_.GiveBackBefore(position_);
  }
  for (size_t i = 0; i < count; ++i) {
    if (rows[i].logits == nullptr) continue;
    CLAMMA_RETURN_IF_ERROR(Finish(rows[i]));
    first_logits_ = rows[i].position + 1;
  }
  return Status();
}

}  // namespace clamma
