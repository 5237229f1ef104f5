// SPDX-License-Identifier: MIT
// The part of a session that builds without grammars lack.
#include "engine/grammar/constraint.h"
#include "engine/session.h"

namespace clamma {

// Samples among the tokens that the query's grammar allows. If there are none, as its text is
// complete, *token is kNoToken.
Status Session::SampleConstrained(const float* logits, const SampledContext& context,
                                  Sampler& sampler, TokenId* token) {
  Constraint& constraint = *constraint_.get();
  const bool strips_space = StripsSpace(context);
  TokenMask mask;
  CLAMMA_RETURN_IF_ERROR(constraint.Find(strips_space, &mask));
  *token = kNoToken;
  if (!mask.any) return Status();
  SamplingOptions options = query_.sampling;
  options.allowed = mask.allowed;
  CLAMMA_RETURN_IF_ERROR(sampler.Sample(logits, options, context, &conversation_.random, token));
  return EndsText(*token) ? Status() : constraint.Advance(*token, strips_space);
}

// Whether a space at the beginning of the token behind the context is no part of the text.
bool Session::StripsSpace(const SampledContext& context) const {
  return IsFirst(context.tokens[context.n - 1], context.n_generated) &&
         transformer_.tokenizer.adds_prefix();
}

}  // namespace clamma
