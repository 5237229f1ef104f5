// SPDX-License-Identifier: MIT
// "echo" of /v1/completions: prompts as they are given back, with how likely their tokens are.
#ifndef CLAMMA_APPS_OPENAI_ECHO_H_
#define CLAMMA_APPS_OPENAI_ECHO_H_

#include <cstddef>
#include <string>
#include <vector>

#include "openai/call.h"
#include "openai/generation.h"

namespace openai {

struct EchoedPrompt {
  std::string text;
  std::vector<TokenLogprob> tokens;  // if logprobs are wanted; that of the first is a NaN
  // Characters of the tokens that the text does not have: the space that encoding put in front.
  size_t n_dropped = 0;
};

// Of all prompts of a plan, which have tokens. With logprobs it takes passes over the weights.
// Throws ApiError; returns what it has if the call is cancelled.
std::vector<EchoedPrompt> EchoPrompts(const Plan& plan, const Call& call);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_ECHO_H_
