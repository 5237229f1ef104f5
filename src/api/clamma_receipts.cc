// SPDX-License-Identifier: MIT
#include "api/convert.h"
#include "api/handles.h"
#include "clamma-extra.h"
#include "engine/forced_pass.h"
#include "engine/scheduler.h"
#include "kernels/sum_order_version.h"

namespace clamma {
namespace {

// ForcedToken has the layout of the caller's struct.
static_assert(sizeof(ForcedToken) == sizeof(clamma_logit_hash_t));
static_assert(offsetof(ForcedToken, sampled) == offsetof(clamma_logit_hash_t, sampled));

// Runs the passes. Other threads get the turn between them.
Status HashLogits(Transformer& transformer, const clamma_txf_info_t& info, ForcedPass* pass,
                  clamma_progress_cb_t progress_cb) {
  while (pass->done() < pass->total()) {
    Status status;
    const bool ran = TheScheduler().WithTurn(transformer, &status,
                                             [&](TurnHeld turn) { return pass->Run(turn); });
    if (!ran) {
      return Status::Error(StatusCode::kBusy, "clamma_hash_logits() cannot run inside a callback");
    }
    CLAMMA_RETURN_IF_ERROR(status);
    if (progress_cb == nullptr) continue;
    if (progress_cb(info.opaque_user_pointer, pass->done(), pass->total()) != 0) {
      return Status::Error(StatusCode::kInvalidArgument, "clamma_hash_logits() was cancelled");
    }
  }
  return Status();
}

}  // namespace
}  // namespace clamma

using clamma::Status;

int clamma_hash_logits(const struct txf* txf, const clamma_txf_info_t* info, const tok_id_t* tokens,
                       size_t count, size_t n_prompt, clamma_logit_hash_t* hashes,
                       clamma_progress_cb_t progress_cb) {
  if (txf == nullptr || info == nullptr || tokens == nullptr ||
      (hashes == nullptr && count > n_prompt)) {
    return clamma::ReturnMissing(txf, "clamma_hash_logits");
  }
  clamma::Transformer& transformer = *clamma::FromHandle(txf);
  clamma::Query query;
  clamma::ForcedPass pass(transformer);
  Status status = clamma::ReadQuery(*info, &query);
  if (status.ok()) {
    status = pass.Init(tokens, count, n_prompt, query.sampling, query.seed,
                       reinterpret_cast<clamma::ForcedToken*>(hashes));
  }
  if (status.ok()) status = clamma::HashLogits(transformer, *info, &pass, progress_cb);
  return clamma::Return(transformer.log, status);
}

unsigned int clamma_sum_order_version(void) { return clamma::kSumOrderVersion; }
