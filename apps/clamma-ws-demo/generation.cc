// SPDX-License-Identifier: MIT
#include "generation.h"

#include <algorithm>
#include <new>

namespace demo {

std::string_view Name(Ending ending) {
  switch (ending) {
    case Ending::kEndOfText:
      return "end_of_text";
    case Ending::kLimit:
      return "limit";
    case Ending::kContextFull:
      return "context_full";
    case Ending::kStopped:
      return "stopped";
    case Ending::kTooSlow:
      return "too_slow";
    case Ending::kError:
      break;
  }
  return "error";
}

bool Generation::MarkNew(Pending& pending) {
  const bool none = std::none_of(pending_.begin(), pending_.end(),
                                 [](const Pending& other) { return other.is_new; });
  pending.is_new = true;
  return none;
}

bool Generation::Add(size_t stream, std::string_view text, const Progress& progress) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (text.size() > max_bytes_ - bytes_) return false;
    pending_[stream].update.text += text;
    bytes_ += text.size();
    pending_[stream].update.progress = progress;
    first = MarkNew(pending_[stream]);
  }
  if (first) on_update_();
  return true;
}

void Generation::Report(size_t stream, const Progress& progress) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    pending_[stream].update.progress = progress;
    first = MarkNew(pending_[stream]);
  }
  if (first) on_update_();
}

void Generation::End(size_t stream, Ending ending, const Progress& progress,
                     std::string_view reason) {
  {
    const std::lock_guard lock(mutex_);
    StreamUpdate& update = pending_[stream].update;
    update.progress = progress;
    update.ending = ending;
    try {
      update.reason = reason;
    } catch (const std::bad_alloc&) {
      update.reason.clear();  // without memory, report only that it ended
    }
    pending_[stream].ended = true;
    MarkNew(pending_[stream]);
  }
  on_update_();  // always, because an end frees a seat
}

std::vector<StreamUpdate> Generation::Fetch() {
  std::vector<StreamUpdate> all;
  all.reserve(n_streams());
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < n_streams(); ++i) {
    Pending& pending = pending_[i];
    if (!pending.is_new) continue;
    pending.update.stream = i;
    all.push_back(std::move(pending.update));
    pending.update = {};
    pending.is_new = false;
  }
  bytes_ = 0;
  return all;
}

bool Generation::has_updates() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(pending_.begin(), pending_.end(),
                     [](const Pending& pending) { return pending.is_new; });
}

bool Generation::ended() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(n_streams()),
                     [](const Pending& pending) { return pending.ended; });
}

}  // namespace demo
