// SPDX-License-Identifier: MIT
#include "engine/pass.h"

#include <algorithm>

namespace clamma {
namespace {

// Positions of prompts that still make good use of a pass.
constexpr size_t kMinPromptRows = 32;

// Most rows for prompts in a pass in which n_generating sessions wait for their next token.
size_t PromptBudget(size_t max_rows, size_t n_generating) {
  if (n_generating == 0) return max_rows;
  const size_t share = std::max(kMinPromptRows, max_rows / (1 + n_generating));
  return std::min(share, max_rows - std::min(max_rows, n_generating));
}

// How many of the positions that wait go into this pass, of at most `most`: with as many passes as
// it takes, all of them are about equally long. (A short last one would read all weights for a few
// positions.)
size_t EvenShare(size_t waiting, size_t most) {
  constexpr size_t kStep = 8;  // tokens at a time in the kernels
  if (most == 0 || waiting <= most) return std::min(waiting, most);
  const size_t passes = (waiting + most - 1) / most;
  const size_t share = (waiting + passes - 1) / passes;
  return std::min(most, (share + kStep - 1) / kStep * kStep);
}

// Sampling for less than this is not worth a thread's attention.
constexpr size_t kMinLogits = 16384;

struct Draw {
  Session* session;
  const float* logits;
};

void SampleAll(Transformer& transformer, const Draw* draws, size_t n_draws) {
  const size_t grain = std::max<size_t>(1, kMinLogits / transformer.config().vocab_size);
  transformer.pool.ParallelFor(n_draws, grain, [&](size_t begin, size_t end, unsigned worker) {
    for (size_t i = begin; i < end; ++i) {
      draws[i].session->Sample(draws[i].logits, transformer.samplers[worker]);
    }
  });
}

}  // namespace

void RunPass(Transformer& transformer, Session* const* sessions, size_t n_sessions) {
  Forward& forward = transformer.forward;
  const size_t max_rows = forward.max_rows();
  size_t n_generating = 0;
  for (size_t i = 0; i < n_sessions; ++i) n_generating += sessions[i]->waiting() == 1 ? 1 : 0;
  size_t prompt_rows = PromptBudget(max_rows, n_generating);

  size_t n_rows = 0;
  size_t n_logits = 0;
  size_t counts[kMaxSessions] = {};  // rows of each session; 0: it waits for the next pass
  for (size_t i = 0; i < n_sessions; ++i) {
    const size_t waiting = sessions[i]->waiting();
    size_t most = max_rows - n_rows;
    if (waiting > 1) most = std::min(most, i == 0 ? std::max<size_t>(prompt_rows, 1) : prompt_rows);
    const size_t count = EvenShare(waiting, most);
    const bool wants_logits = count == waiting;
    if (count == 0 || (wants_logits && n_logits == forward.max_logits())) continue;
    if (!sessions[i]->AddRows(count, transformer.rows.data() + n_rows)) continue;
    counts[i] = count;
    n_rows += count;
    n_logits += wants_logits ? 1 : 0;
    if (waiting > 1) prompt_rows -= std::min(prompt_rows, count);
  }
  if (n_rows == 0) return;

  const Status status = forward.Run(transformer.rows.data(), n_rows);
  const ForwardRow* rows = transformer.rows.data();
  Draw draws[kMaxSessions];
  size_t n_draws = 0;
  for (size_t i = 0; i < n_sessions; ++i) {
    if (counts[i] == 0) continue;
    rows += counts[i];
    if (!status.ok()) {
      sessions[i]->Fail(status);
      continue;
    }
    sessions[i]->Fed(counts[i]);
    if (rows[-1].logits != nullptr) draws[n_draws++] = {sessions[i], rows[-1].logits};
  }
  SampleAll(transformer, draws, n_draws);
}

}  // namespace clamma
