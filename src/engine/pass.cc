// SPDX-License-Identifier: MIT
#include "engine/pass.h"

#include <algorithm>

#include "engine/pass_drafts.h"
#include "engine/prefix_cache.h"
#include "platform/clock.h"

namespace clamma {
namespace {

// The fewest rows of prompts with which a pass is efficient.
constexpr size_t kMinPromptRows = 32;

// Returns the maximum number of rows for prompts in a pass in which n_generating sessions wait for
// their next token. If there is no room for all of these, prompts get up to half of the rows.
size_t PromptBudget(size_t max_rows, size_t n_generating) {
  if (n_generating == 0) return max_rows;
  const size_t share = std::max(kMinPromptRows, max_rows / (1 + n_generating));
  return std::min(share, max_rows - std::min(max_rows / 2, n_generating));
}

// Returns how many of the `waiting` positions go into this pass, at most `most`. A prompt is
// divided among as few passes as possible, of about the same length: a short last pass would read
// all weights for a few positions.
size_t EvenShare(size_t waiting, size_t most) {
  constexpr size_t kStep = 8;  // tokens at a time in the kernels
  if (most == 0 || waiting <= most) return std::min(waiting, most);
  const size_t passes = (waiting + most - 1) / most;
  const size_t share = (waiting + passes - 1) / passes;
  return std::min(most, (share + kStep - 1) / kStep * kStep);
}

// The fewest logits for which it pays to wake a further thread.
constexpr size_t kMinLogits = 16384;

// Samples the next tokens of the sessions that have logits.
void SampleAll(TurnHeld held, Transformer& transformer, const PassEntry* entries,
               size_t n_entries) {
  const size_t grain = std::max<size_t>(1, kMinLogits / transformer.config().vocab_size);
  transformer.pool.ParallelFor(n_entries, grain, [&](size_t begin, size_t end, unsigned worker) {
    for (size_t i = begin; i < end; ++i) {
      const PassEntry& entry = entries[i];
      Sampler& sampler = transformer.samplers[worker];
      entry.session->Sample(held, entry.logits, sampler);
      if constexpr (kHasSpeculation) {
        if (entry.drafts == 0) continue;
        entry.session->SampleBehindDrafts(held, entry.draft_logits, entry.drafts, sampler);
      }
    }
  });
}

// Lets the sessions go on from pages that others have computed.
void AttachAll(TurnHeld held, const PassEntry* entries, size_t n_sessions) {
  for (size_t i = 0; i < n_sessions; ++i) {
    const Status status = AttachPages(entries[i].session->conversation(held));
    if (!status.ok()) entries[i].session->Fail(held, status);
  }
}

// Whether a session waits for what one of those before it computes in this pass.
bool Waits(TurnHeld held, const PassEntry* entries, size_t index) {
  const Conversation& waiting = entries[index].session->conversation(held);
  if (waiting.waiting() <= 1) return false;  // thousands may generate
  return std::any_of(entries, entries + index, [&](const PassEntry& entry) {
    return entry.rows > 0 && ShouldWaitFor(waiting, entry.session->conversation(held), entry.rows);
  });
}

// Whether a session takes part in this pass: it has not failed, and does not wait. If so, it first
// takes over what others have computed of a page.
bool GoesOn(TurnHeld held, const PassEntry* entries, size_t index) {
  Session& session = *entries[index].session;
  if (!session.NeedsPass(held) || Waits(held, entries, index)) return false;
  const Status status = CopyPart(session.conversation(held));
  if (!status.ok()) session.Fail(held, status);
  return status.ok();
}

// The number of rows for prompts.
size_t PromptRows(TurnHeld held, size_t max_rows, const PassEntry* entries, size_t n_sessions) {
  size_t n_generating = 0;
  size_t n_prompt = 0;  // positions of all prompts
  for (size_t i = 0; i < n_sessions; ++i) {
    const size_t waiting = entries[i].session->waiting(held);
    n_generating += waiting == 1 ? 1 : 0;
    n_prompt += waiting == 1 ? 0 : waiting;
  }
  return std::min(n_prompt, PromptBudget(max_rows, n_generating));
}

// Assigns the rows of the pass to sessions; returns how many rows are used. Rows are kept for
// prompts, however many sessions generate. A session that gets none is served by a later pass, at
// the latest when it is the first one.
size_t FillRows(TurnHeld held, Transformer& transformer, PassEntry* entries, size_t n_sessions) {
  const Forward& forward = transformer.forward;
  const size_t max_rows = forward.max_rows();
  if constexpr (kHasPrefixCache) AttachAll(held, entries, n_sessions);
  size_t prompt_rows = PromptRows(held, max_rows, entries, n_sessions);
  size_t n_rows = 0;
  size_t n_logits = 0;
  for (size_t i = 0; i < n_sessions; ++i) {
    Session& session = *entries[i].session;
    entries[i].rows = 0;
    if (n_rows == max_rows) continue;
    if constexpr (kHasPrefixCache) {
      if (!GoesOn(held, entries, i)) continue;
    }
    const size_t waiting = session.waiting(held);
    size_t most = max_rows - n_rows;
    if (waiting > 1) {
      most = std::min(most, prompt_rows);
      // Without logits for its last position, the others go ahead.
      if (n_logits == forward.max_logits()) most = std::min(most, waiting - 1);
    } else if (i > 0) {
      most -= std::min(most, prompt_rows);
      if (n_logits == forward.max_logits()) most = 0;
    }
    const size_t count = EvenShare(waiting, most);
    const bool wants_logits = count == waiting;
    if (count == 0) continue;
    if (!session.AddRows(held, count, transformer.rows.data() + n_rows)) continue;
    entries[i].rows = count;
    n_rows += count;
    n_logits += wants_logits ? 1 : 0;
    if (waiting > 1) prompt_rows -= std::min(prompt_rows, count);
  }
  return n_rows;
}

// Adds rows for drafts behind the n_rows rows of the pass; returns how many there are then. Sets
// *want_drafts to whether any query wants drafts.
size_t WithDrafts([[maybe_unused]] TurnHeld held, [[maybe_unused]] Transformer& transformer,
                  [[maybe_unused]] PassEntry* entries, [[maybe_unused]] size_t n_sessions,
                  size_t n_rows, [[maybe_unused]] bool* want_drafts) {
  if constexpr (kHasSpeculation) {
    *want_drafts = AnyWantsDrafts(held, entries, n_sessions);
    if (*want_drafts) return AddDraftRows(held, transformer, entries, n_sessions, n_rows);
    for (size_t i = 0; i < n_sessions; ++i) entries[i].drafts = 0;
  }
  return n_rows;
}

// Runs the rows of the pass. Measures how long that takes if it matters for drafts.
Status RunRows(Transformer& transformer, size_t n_rows, [[maybe_unused]] bool want_drafts) {
  ForwardRow* const rows = transformer.rows.data();
  if constexpr (kHasSpeculation) {
    const uint64_t begun = want_drafts ? SteadyNow() : 0;
    const Status status = transformer.forward.Run(rows, n_rows);
    const auto has_logits = [](const ForwardRow& row) { return row.logits != nullptr; };
    if (want_drafts && status.ok() && std::all_of(rows, rows + n_rows, has_logits)) {
      transformer.pass_costs.Learn(n_rows, SteadyNow() - begun);
    }
    return status;
  }
  return transformer.forward.Run(rows, n_rows);
}

}  // namespace

void RunPass(TurnHeld held, Transformer& transformer, size_t n_sessions) {
  PassEntry* const entries = transformer.pass.data();
  const size_t n_base = FillRows(held, transformer, entries, n_sessions);
  if (n_base == 0) return;
  bool want_drafts = false;
  const size_t n_rows = WithDrafts(held, transformer, entries, n_sessions, n_base, &want_drafts);
  const Status status = RunRows(transformer, n_rows, want_drafts);
  const ForwardRow* rows = transformer.rows.data();
  const ForwardRow* draft_rows = rows + n_base;
  size_t n_draws = 0;  // entries[0 .. n_draws), which have been read, become those that get a token
  for (size_t i = 0; i < n_sessions; ++i) {
    PassEntry entry = entries[i];
    if (entry.rows == 0) continue;
    rows += entry.rows;
    if constexpr (kHasSpeculation) {
      if (entry.drafts > 0) entry.draft_logits = draft_rows->logits;
      draft_rows += entry.drafts;
    }
    if (!status.ok()) {
      entry.session->Fail(held, status);
    } else if (entry.session->Advance(held, entry.rows) && rows[-1].logits != nullptr) {
      entry.logits = rows[-1].logits;
      entries[n_draws++] = entry;
    }
  }
  SampleAll(held, transformer, entries, n_draws);
}

}  // namespace clamma
