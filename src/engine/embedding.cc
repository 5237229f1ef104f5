// SPDX-License-Identifier: MIT
#include "engine/embedding.h"

#include <algorithm>
#include <cmath>

namespace clamma {

Embedding::Embedding(Transformer& transformer, const TokenLists& texts, Pooling pooling,
                     bool normalizes, float* out)
    : transformer_(transformer),
      texts_(texts),
      pooling_(pooling),
      normalizes_(normalizes),
      out_(out) {
  for (KvCache& kv : kvs_) kv.Init(transformer.memory, transformer.config(), transformer.kv_type);
}

Status Embedding::Init() {
  return sums_.Resize(transformer_.memory,
                      pooling_ == Pooling::kMean ? transformer_.config().dim : 0);
}

Status Embedding::RunPart(TurnHeld /*held*/) {
  size_t n_rows = 0;
  CLAMMA_RETURN_IF_ERROR(FillRows(&n_rows));
  const float* states = nullptr;
  CLAMMA_RETURN_IF_ERROR(transformer_.forward.Run(transformer_.rows.data(), n_rows, &states));
  return TakeStates(states, n_rows);
}

// Fills in the rows of the next pass: the next positions of the texts, in order.
Status Embedding::FillRows(size_t* n_rows) {
  const ModelConfig& config = transformer_.config();
  const size_t max_rows = transformer_.forward.max_rows();
  const size_t end = std::min(texts_.count(), text_ + kMaxTexts);
  size_t position = position_;
  size_t n = 0;
  for (size_t text = text_; text < end && n < max_rows; ++text, position = 0) {
    const size_t size = texts_.size(text);
    const size_t count = std::min(size - position, max_rows - n);
    KvCache& kv = KvOf(text);
    if (config.short_context > 0) kv.SetLong(size > config.short_context);
    CLAMMA_RETURN_IF_ERROR(kv.Reserve(position + count));
    if constexpr (kHasGguf) kv.StoreFrom(position);
    for (size_t i = 0; i < count; ++i, ++position) {
      transformer_.rows[n++] = {texts_.tokens(text)[position], position, &kv, nullptr, false};
    }
  }
  *n_rows = n;
  return Status();
}

// Pools the states of a pass (n_rows, dim). Frees the KV caches of the texts that end in it.
Status Embedding::TakeStates(const float* states, size_t n_rows) {
  const size_t dim = transformer_.config().dim;
  for (size_t r = 0; r < n_rows; ++r) {
    Pool(text_, position_, states + r * dim);
    ++processed_;
    ++position_;
    KvCache& kv = KvOf(text_);
    if constexpr (kHasGguf) {
      if (kv.Overflows(position_)) return KvCache::OverflowReason();
      kv.GiveBackBefore(position_);
    }
    if (position_ < texts_.size(text_)) continue;
    CLAMMA_RETURN_IF_ERROR(Finish(text_));
    kv.ShrinkToBlocks(0);
    ++text_;
    position_ = 0;
  }
  return Status();
}

// Adds the state of a position (dim) to the text's embedding.
void Embedding::Pool(size_t text, size_t position, const float* state) {
  const size_t dim = transformer_.config().dim;
  float* const out = out_ + text * dim;
  if (pooling_ == Pooling::kMean) {
    for (size_t i = 0; i < dim; ++i) {
      sums_[i] = (position == 0 ? 0 : sums_[i]) + static_cast<double>(state[i]);
    }
  } else if (position == (pooling_ == Pooling::kFirst ? 0 : texts_.size(text) - 1)) {
    std::copy_n(state, dim, out);
  }
}

// Completes the embedding of a text whose states have all been pooled.
Status Embedding::Finish(size_t text) {
  const size_t dim = transformer_.config().dim;
  float* const out = out_ + text * dim;
  if (pooling_ == Pooling::kMean) {
    const auto n = static_cast<double>(texts_.size(text));
    for (size_t i = 0; i < dim; ++i) out[i] = static_cast<float>(sums_[i] / n);
  }
  double squares = 0;
  for (size_t i = 0; i < dim; ++i) {
    squares += static_cast<double>(out[i]) * static_cast<double>(out[i]);
  }
  if (!std::isfinite(squares)) {
    return Status::Error(StatusCode::kCorrupt,
                         "the model's state is not a number: its weights are damaged");
  }
  if (!normalizes_ || !(squares > 0)) return Status();
  const double length = std::sqrt(squares);
  for (size_t i = 0; i < dim; ++i) {
    out[i] = static_cast<float>(static_cast<double>(out[i]) / length);
  }
  return Status();
}

}  // namespace clamma
