// SPDX-License-Identifier: MIT
#include "api/convert.h"
#include "api/handles.h"
#include "api/run_in_turns.h"
#include "clamma-extra.h"
#include "engine/forced_pass.h"
#include "kernels/sum_order_version.h"
#include "platform/threads.h"

namespace clamma {
namespace {

// ForcedToken has the layout of the caller's struct.
static_assert(sizeof(ForcedToken) == sizeof(clamma_logit_hash_t));
static_assert(offsetof(ForcedToken, sampled) == offsetof(clamma_logit_hash_t, sampled));

Status HashLogits(Transformer& transformer, const clamma_txf_info_t& info, const TokenId* tokens,
                  size_t count, size_t n_prompt, ForcedToken* out,
                  clamma_progress_cb_t progress_cb) {
  const NoCancel guard;
  Query query;
  CLAMMA_RETURN_IF_ERROR(ReadQuery(info, &query));
  ForcedPass pass(transformer);
  CLAMMA_RETURN_IF_ERROR(pass.Init(tokens, count, n_prompt, query.sampling, query.seed, out));
  const Caller caller = {"clamma_hash_logits", progress_cb, info.opaque_user_pointer};
  return RunInTurns(transformer, caller, pass);
}

}  // namespace
}  // namespace clamma

int clamma_hash_logits(const struct txf* txf, const clamma_txf_info_t* info, const tok_id_t* tokens,
                       size_t count, size_t n_prompt, clamma_logit_hash_t* hashes,
                       clamma_progress_cb_t progress_cb) {
  if (txf == nullptr || info == nullptr || tokens == nullptr ||
      (hashes == nullptr && count > n_prompt)) {
    return clamma::ReturnMissing(txf, "clamma_hash_logits");
  }
  clamma::Transformer& transformer = *clamma::FromHandle(txf);
  return clamma::Return(
      transformer.log,
      clamma::HashLogits(transformer, *info, tokens, count, n_prompt,
                         reinterpret_cast<clamma::ForcedToken*>(hashes), progress_cb));
}

unsigned int clamma_sum_order_version(void) { return clamma::kSumOrderVersion; }
