// SPDX-License-Identifier: MIT
// A smaller transformer that computes drafts for a session: see speculation.h.
#ifndef CLAMMA_ENGINE_DRAFT_MODEL_H_
#define CLAMMA_ENGINE_DRAFT_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "engine/conversation.h"
#include "engine/sampler.h"
#include "engine/transformer.h"
#include "model/forward.h"
#include "platform/features.h"
#include "platform/memory.h"
#include "platform/status.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// Whether the tokens of `draft` are those of `transformer`, so that it can draft for it. If not,
// the reason names the first difference.
Status CheckDraftTransformer(const Transformer& transformer, const Transformer& draft);

// The draft transformer's own view of a session's context. Needs the turn, except for Init().
class DraftModel {
 public:
  // Both must outlive this.
  Status Init(Memory& memory, Transformer& transformer);

  Transformer& transformer() const { return *transformer_; }

  // Whether it can draft behind a context of n tokens.
  bool CanDraft(size_t n) const {
    return !transformer_->lost && n > 0 && n < transformer_->config().seq_len;
  }
  // Writes to `drafts` (most) the tokens that the transformer would sample behind those of a
  // context, and returns how many it has computed. If it has yet to process a long part of the
  // context, processes some of that, and returns 0. The same if it fails.
  size_t Draft(const SampledContext& context, size_t most, const SamplingOptions& sampling,
               RandomGenerator random, TokenId* drafts);

  // How long a draft takes.
  double nanoseconds() const { return nanoseconds_; }

 private:
  static constexpr size_t kChunk = 64;  // positions of a pass

  Status Adopt(const SampledContext& context);
  Status RunPass(const float** logits);

  Transformer* transformer_ = nullptr;
  Conversation conversation_;
  Array<ForwardRow> rows_;  // (kChunk or fewer)
  double nanoseconds_ = 0;
};

// Owns a draft model, or none.
class OwnedDraftModel {
 public:
  OwnedDraftModel() = default;
  ~OwnedDraftModel() { Reset(); }
  OwnedDraftModel(const OwnedDraftModel&) = delete;
  OwnedDraftModel& operator=(const OwnedDraftModel&) = delete;

  Status Make(Memory& memory, Transformer& transformer);
  void Reset();
  void Swap(OwnedDraftModel& other) {
    std::swap(memory_, other.memory_);
    std::swap(model_, other.model_);
  }
  DraftModel* get() const { return model_; }

 private:
  Memory* memory_ = nullptr;
  DraftModel* model_ = nullptr;
};

struct NoDraftModel {
  void Reset() {}  // NOLINT(readability-convert-member-functions-to-static): as OwnedDraftModel's
};

using DraftModelSlot = std::conditional_t<kHasSpeculation, OwnedDraftModel, NoDraftModel>;

}  // namespace clamma

#endif  // CLAMMA_ENGINE_DRAFT_MODEL_H_
