// SPDX-License-Identifier: MIT
#include "engine/draft_model.h"

#include <algorithm>

#include "platform/clock.h"

namespace clamma {
namespace {

Status OtherVocabulary(const char* what) {
  return Status::Error(StatusCode::kInvalidArgument,
                       "the draft transformer has another vocabulary: %s", what);
}

}  // namespace

Status CheckDraftTransformer(const Transformer& transformer, const Transformer& draft) {
  const Tokenizer& own = transformer.tokenizer;
  const Tokenizer& other = draft.tokenizer;
  if (own.vocab_size() != other.vocab_size() ||
      transformer.config().vocab_size != draft.config().vocab_size) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "the draft transformer has another vocabulary: %u tokens, not %u",
                         static_cast<unsigned>(draft.config().vocab_size),
                         static_cast<unsigned>(transformer.config().vocab_size));
  }
  if (own.bos() != other.bos()) return OtherVocabulary("another BOS");
  for (uint32_t i = 0; i < own.vocab_size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    if (own.Piece(token) == other.Piece(token) && own.kind(token) == other.kind(token)) continue;
    return Status::Error(StatusCode::kInvalidArgument,
                         "the draft transformer has another vocabulary: token %u differs",
                         static_cast<unsigned>(i));
  }
  return Status();
}

Status DraftModel::Init(Memory& memory, Transformer& transformer) {
  transformer_ = &transformer;
  conversation_.Init(memory, transformer.config(), transformer.kv_type);
  return rows_.Resize(memory, std::min(kChunk, transformer.forward.max_rows()));
}

// Makes the context that of the session. What both begin with stays in the KV cache.
Status DraftModel::Adopt(const SampledContext& context) {
  CLAMMA_RETURN_IF_ERROR(conversation_.ReserveTokens(context.n + 1));
  TokenId* const held = conversation_.tokens.data();
  const size_t n = std::min(conversation_.n_tokens, context.n);
  const auto same = static_cast<size_t>(std::mismatch(held, held + n, context.tokens).first - held);
  conversation_.Replace(same, context.tokens + same, context.n - same);
  return Status();
}

// Processes the next waiting tokens. *logits are those of the last one, nullptr if it still waits.
Status DraftModel::RunPass(const float** logits) {
  const size_t count = std::min(conversation_.waiting(), rows_.size());
  CLAMMA_RETURN_IF_ERROR(conversation_.AddRows(count, rows_.data()));
  CLAMMA_RETURN_IF_ERROR(transformer_->forward.Run(rows_.data(), count));
  *logits = rows_[count - 1].logits;
  return conversation_.Advance(count);
}

size_t DraftModel::Draft(const SampledContext& context, size_t most,
                         const SamplingOptions& sampling, RandomGenerator random, TokenId* drafts) {
  if (!CanDraft(context.n)) return 0;
  most = std::min(most, transformer_->config().seq_len - context.n);
  if (!Adopt(context).ok()) return 0;
  const bool has_caught_up = conversation_.waiting() <= rows_.size();
  const uint64_t begun = SteadyNow();
  for (size_t i = 0; i < most; ++i) {
    const float* logits = nullptr;
    if (!RunPass(&logits).ok() || logits == nullptr) return i;
    const SampledContext now = {conversation_.tokens.data(), conversation_.n_tokens,
                                context.n_generated + i};
    Sampler& sampler = transformer_->samplers[0];
    if (!sampler.Sample(logits, sampling, now, &random, &drafts[i]).ok()) return i;
    if (!conversation_.ReserveTokens(conversation_.n_tokens + 1).ok()) return i;
    conversation_.tokens[conversation_.n_tokens++] = drafts[i];
  }
  const auto each = static_cast<double>(SteadyNow() - begun) / static_cast<double>(most);
  if (has_caught_up) nanoseconds_ = nanoseconds_ == 0 ? each : 0.9 * nanoseconds_ + 0.1 * each;
  return most;
}

Status OwnedDraftModel::Make(Memory& memory, Transformer& transformer) {
  Reset();
  auto* const made = NewObject<DraftModel>(memory.arena());
  if (made == nullptr) return Status::OutOfMemory(sizeof(DraftModel));
  memory_ = &memory;
  model_ = made;
  return made->Init(memory, transformer);
}

void OwnedDraftModel::Reset() {
  if (model_ != nullptr) DeleteObject(memory_->arena(), model_);
  model_ = nullptr;
}

}  // namespace clamma
