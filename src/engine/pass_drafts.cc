// SPDX-License-Identifier: MIT
#include "engine/pass_drafts.h"

#include <algorithm>

#include "engine/session.h"

namespace clamma {
namespace {

// Distributes the room of a pass among the drafts of its sessions.
class Distribution {
 public:
  // A pass of n_rows rows, with which n_tokens sessions get a token.
  Distribution(TurnHeld held, const PassCosts& costs, size_t n_rows, size_t n_tokens)
      : held_(held),
        row_time_(costs.of_row()),
        time_(costs.of_pass(n_rows)),
        tokens_(static_cast<double>(n_tokens)) {}

  // Adds a draft to the session in whose time it gives most tokens. Returns false if no draft would
  // give more tokens in its time than the pass gives without it.
  bool AddBest(PassEntry* entries, size_t n_sessions) {
    PassEntry* best = nullptr;
    for (PassEntry* entry = entries; entry < entries + n_sessions; ++entry) {
      if (entry->drafts < entry->most_drafts && (best == nullptr || Rate(*entry) > Rate(*best))) {
        best = entry;
      }
    }
    if (best == nullptr || Rate(*best) * time_ <= tokens_) return false;
    tokens_ += best->chance;
    time_ += TimeOf(*best);
    best->chance *= best->session->drafter(held_).chance();
    ++best->drafts;
    return true;
  }

 private:
  double TimeOf(const PassEntry& entry) const {
    return row_time_ + entry.session->drafter(held_).cost();
  }
  double Rate(const PassEntry& entry) const { return entry.chance / TimeOf(entry); }

  TurnHeld held_;
  double row_time_;
  double time_;
  double tokens_;
};

}  // namespace

bool AnyWantsDrafts(TurnHeld held, const PassEntry* entries, size_t n_sessions) {
  return std::any_of(entries, entries + n_sessions, [&](const PassEntry& entry) {
    return entry.session->drafter(held).most() > 0;
  });
}

size_t AddDraftRows(TurnHeld held, Transformer& transformer, PassEntry* entries, size_t n_sessions,
                    size_t n_rows) {
  ForwardRow* const rows = transformer.rows.data();
  const auto n_logits = static_cast<size_t>(
      std::count_if(rows, rows + n_rows, [](const ForwardRow& row) { return row.want_logits; }));
  bool any = false;
  for (size_t i = 0; i < n_sessions; ++i) {
    PassEntry& entry = entries[i];
    entry.drafts = 0;
    const bool completes = entry.rows > 0 && entry.rows == entry.session->waiting(held);
    entry.most_drafts = completes ? entry.session->LookForDrafts(held) : 0;
    entry.chance = entry.session->drafter(held).chance();
    any = any || entry.most_drafts > 0;
  }
  if (!any) return n_rows;
  const Forward& forward = transformer.forward;
  size_t room = std::min(forward.max_rows() - n_rows, forward.max_logits() - n_logits);
  Distribution distribution(held, transformer.pass_costs, n_rows, n_logits);
  while (room > 0 && distribution.AddBest(entries, n_sessions)) --room;
  for (size_t i = 0; i < n_sessions; ++i) {
    PassEntry& entry = entries[i];
    if (entry.drafts > 0) {
      entry.drafts = entry.session->AddDraftRows(held, entry.drafts, rows + n_rows);
      n_rows += entry.drafts;
    } else if (entry.most_drafts > 0) {
      entry.session->SkipDrafts(held);
    }
  }
  return n_rows;
}

}  // namespace clamma
