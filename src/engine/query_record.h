// SPDX-License-Identifier: MIT
// How a session's query, or its last one, has proceeded, and how long it took.
#ifndef CLAMMA_ENGINE_QUERY_RECORD_H_
#define CLAMMA_ENGINE_QUERY_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/kernels.h"
#include "platform/clock.h"
#include "platform/threads.h"

namespace clamma {

class FullQueryRecord {
 public:
  // The query begins; `position` of the context's n_tokens tokens are in the KV cache.
  void Begin(size_t n_tokens, size_t position) {
    *this = FullQueryRecord();
    prompt_tokens_ = n_tokens;
    cached_tokens_ = position;
    begun_ = SteadyNow();
  }
  // Tokens from `position` on go into a pass.
  void Serve(size_t position) {
    if (is_served_) return;
    is_served_ = true;
    cached_tokens_ = position;
    served_ = SteadyNow();
  }
  // A pass has processed tokens, so that n_waiting are left.
  void Advance(size_t n_waiting) {
    if (is_answered_) return;
    has_part_ = true;
    if (n_waiting > 0) return;
    is_answered_ = true;
    answered_ = SteadyNow();
  }
  void End() { ended_ = SteadyNow(); }
  // A pass has computed drafts, of which the first n_right were right.
  void AddDrafts(size_t n_drafts, size_t n_right) {
    drafted_tokens_ += n_drafts;
    accepted_tokens_ += n_right;
  }

  // Whether a part of the prompt was processed since the last call.
  bool TakePart() { return std::exchange(has_part_, false); }

  size_t prompt_tokens() const { return prompt_tokens_; }
  size_t cached_tokens() const { return cached_tokens_; }
  size_t drafted_tokens() const { return drafted_tokens_; }
  size_t accepted_tokens() const { return accepted_tokens_; }

  // How long the query waited for its first pass, how long its prompt took from then on, and how
  // long it has generated since. In seconds; a phase that has not ended lasts until now.
  double waiting_seconds() const { return Seconds(begun_, served_); }
  double prompt_seconds() const { return Seconds(served_, answered_); }
  double generation_seconds() const { return Seconds(answered_, ended_); }

 private:
  double Seconds(uint64_t from, uint64_t to) const {
    if (from == 0) return 0;
    if (to == 0) to = ended_ != 0 ? ended_ : SteadyNow();
    return static_cast<double>(to - from) * 1e-9;
  }

  size_t prompt_tokens_ = 0;
  size_t cached_tokens_ = 0;
  size_t drafted_tokens_ = 0;
  size_t accepted_tokens_ = 0;
  bool is_served_ = false;
  bool is_answered_ = false;
  bool has_part_ = false;
  // In nanoseconds; 0: not yet, or there is no clock.
  uint64_t begun_ = 0;
  uint64_t served_ = 0;    // its first pass began
  uint64_t answered_ = 0;  // its prompt had been processed
  uint64_t ended_ = 0;
};

// Builds for the smallest machines keep no record.
inline constexpr bool kRecordsQueries = kHasThreads || kHasGguf;

class NoQueryRecord {
 public:
  // NOLINTBEGIN(readability-convert-member-functions-to-static): as those of FullQueryRecord
  void Begin(size_t, size_t) {}
  void Serve(size_t) {}
  void Advance(size_t) {}
  void End() {}
  void AddDrafts(size_t, size_t) {}
  bool TakePart() { return false; }
  size_t prompt_tokens() const { return 0; }
  size_t cached_tokens() const { return 0; }
  size_t drafted_tokens() const { return 0; }
  size_t accepted_tokens() const { return 0; }
  double waiting_seconds() const { return 0; }
  double prompt_seconds() const { return 0; }
  double generation_seconds() const { return 0; }
  // NOLINTEND(readability-convert-member-functions-to-static)
};

using QueryRecord = std::conditional_t<kRecordsQueries, FullQueryRecord, NoQueryRecord>;

}  // namespace clamma

#endif  // CLAMMA_ENGINE_QUERY_RECORD_H_
