// SPDX-License-Identifier: MIT
// Computations of many passes that are not queries.
#ifndef CLAMMA_API_RUN_IN_TURNS_H_
#define CLAMMA_API_RUN_IN_TURNS_H_

#include "clamma.h"
#include "engine/guards.h"
#include "engine/scheduler.h"
#include "engine/transformer.h"
#include "platform/status.h"

namespace clamma {

// The public function that was called, and who is told its progress.
struct Caller {
  const char* function;
  clamma_progress_cb_t progress_cb;  // nullptr: nobody
  void* opaque;
};

// Runs a job pass by pass; other threads get the turn between two of them. A job has done(),
// RunPart(), and how many positions it has processed() of its total().
template <typename Job>
Status RunInTurns(Transformer& transformer, const Caller& caller, Job& job) {
  while (!job.done()) {
    Status status;
    const bool ran = TheScheduler().WithTurn(transformer, &status,
                                             [&](TurnHeld turn) { return job.RunPart(turn); });
    if (!ran) {
      return Status::Error(StatusCode::kBusy, "%s() cannot run inside a callback of a step",
                           caller.function);
    }
    CLAMMA_RETURN_IF_ERROR(status);
    if (caller.progress_cb == nullptr) continue;
    if (caller.progress_cb(caller.opaque, job.processed(), job.total()) != 0) {
      return Status::Error(StatusCode::kLimit, "%s() was cancelled by its progress_cb",
                           caller.function);
    }
  }
  return Status();
}

}  // namespace clamma

#endif  // CLAMMA_API_RUN_IN_TURNS_H_
