// SPDX-License-Identifier: MIT
// Speculation: a pass also computes tokens that a cheap guess, the drafts, puts behind a session's
// last token. Each is compared with the token that is sampled from the logits before it, by the
// very random number of its place; as long as they are equal, one pass gives several tokens. So
// drafts change no token, only the time it takes.
// (Leviathan et al.: Fast Inference from Transformers via Speculative Decoding, 2023, where drafts
// keep the distribution; here they keep every token.)
#ifndef CLAMMA_ENGINE_SPECULATION_H_
#define CLAMMA_ENGINE_SPECULATION_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "engine/draft_model.h"
#include "engine/pending_tokens.h"
#include "engine/sampler.h"
#include "platform/features.h"
#include "tokenizer/tokenizer.h"

namespace clamma {

// How likely drafts of a kind are right, from how recent ones were.
class DraftChance {
 public:
  double chance() const { return (1 + right_) / (2 + right_ + wrong_); }
  // Of the drafts of a pass, the first n_right were right; `has_wrong`: another one was not.
  void Learn(size_t n_right, bool has_wrong) {
    right_ = kMemory * right_ + static_cast<double>(n_right);
    wrong_ = kMemory * wrong_ + (has_wrong ? 1 : 0);
  }
  // Call this where drafts did not seem to pay: after a while they are tried again.
  void Forget() {
    right_ *= kPatience;
    wrong_ *= kPatience;
  }

 private:
  static constexpr double kMemory = 0.9;
  static constexpr double kPatience = 0.99;
  double right_ = 0;
  double wrong_ = 0;
};

// The drafts of a session.
class Drafter {
 public:
  size_t most() const { return most_; }  // that the query wants for a pass
  // A query begins that wants at most `most` drafts for a pass.
  void Begin(size_t most);
  // Replaces the draft model, which computes the drafts if there is one.
  void SwapModel(OwnedDraftModel& model) { model_.Swap(model); }
  DraftModel* model() const { return model_.get(); }
  void DropModel() { model_.Reset(); }

  // Looks for drafts behind the tokens of a context (n), and returns how many there are, at most
  // `most`. Those that are looked up, not computed, are then in `drafts` (most).
  size_t Look(const TokenId* tokens, size_t n, size_t most, TokenId* drafts);
  // Call this in place of Look() if the drafts are what the grammar forces.
  void UseForced() { kind_ = kForced; }
  // How likely one of them is right if those before it are, and how long one takes in nanoseconds.
  double chance() const { return chances_[kind_].chance(); }
  double cost() const { return kind_ == kModel ? model_.get()->nanoseconds() : 0; }
  // Computes `count` of them, if they are to be computed; returns how many there are then.
  size_t Take(const SampledContext& context, size_t count, const SamplingOptions& sampling,
              const RandomGenerator& random, TokenId* drafts);

  // Of n_drafts drafts, the first n_right were right.
  void Learn(size_t n_drafts, size_t n_right) {
    chances_[kind_].Learn(n_right, n_right < n_drafts);
  }
  void Skip() { chances_[kind_].Forget(); }  // none was taken

 private:
  // The first three are of matches.
  enum Kind : uint8_t { kShort, kMiddle, kLong, kModel, kForced, kDraftKinds };

  DraftChance chances_[kDraftKinds];
  Kind kind_ = kShort;
  size_t most_ = 0;
  OwnedDraftModel model_;
};

struct NoDrafter {
  void Skip() {}       // NOLINT(readability-convert-member-functions-to-static): as Drafter's
  void DropModel() {}  // NOLINT(readability-convert-member-functions-to-static): likewise
};

using DrafterSlot = std::conditional_t<kHasSpeculation, Drafter, NoDrafter>;

}  // namespace clamma

#endif  // CLAMMA_ENGINE_SPECULATION_H_
