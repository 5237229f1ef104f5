// SPDX-License-Identifier: MIT
#include "openai/echo.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "openai/json_text.h"

namespace openai {
namespace {

std::string Decode(const std::vector<tok_id_t>& tokens, const Model& model) {
  std::string text;
  size_t size = 0;
  do {
    text.resize(size);
    if (clamma_decode(model.handle(), tokens.data(), tokens.size(), text.data(), text.size(),
                      &size) != 0) {
      throw Failed(TakeReason());
    }
  } while (size != text.size());
  return text;
}

void Score(const Plan& plan, const std::vector<tok_id_t>& tokens, const Call& call,
           EchoedPrompt* echo) {
  const Model& model = *plan.model;
  const size_t n_top = std::min(plan.top_logprobs, model.facts().vocab_size);
  const size_t n = tokens.size() - 1;
  echo->tokens.resize(tokens.size());
  echo->tokens[0] = {tokens[0], std::numeric_limits<float>::quiet_NaN(), {}};
  if (n == 0) return;
  if (tokens.size() > model.facts().context) {
    throw ContextTooLong(model.facts().context, tokens.size(), plan.prompt_param);
  }
  std::vector<float> logprobs(n);
  std::vector<tok_id_t> top_tokens(n * n_top);
  std::vector<float> top_logprobs(n * n_top);
  TakeReason();
  const int failed = clamma_score_tokens(
      model.handle(), tokens.data(), tokens.size(), logprobs.data(), n_top, top_tokens.data(),
      top_logprobs.data(),
      [](void* opaque, size_t, size_t) {
        return static_cast<const Call*>(opaque)->cancelled() ? 1 : 0;
      },
      const_cast<Call*>(&call));
  if (failed != 0 && !call.cancelled()) {
    const std::string reason = TakeReason();
    if (reason.find("out of memory") != std::string::npos) throw std::bad_alloc();
    throw Failed(reason);
  }
  for (size_t i = 0; i < n; ++i) {
    TokenLogprob& token = echo->tokens[i + 1];
    token = {tokens[i + 1], logprobs[i], {}};
    for (size_t k = i * n_top; k < (i + 1) * n_top; ++k) {
      token.top.push_back({top_tokens[k], top_logprobs[k]});
    }
  }
}

}  // namespace

std::vector<EchoedPrompt> EchoPrompts(const Plan& plan, const Call& call) {
  std::vector<EchoedPrompt> echoes;
  for (const Prompt& prompt : plan.prompts) {
    if (call.cancelled()) break;
    EchoedPrompt echo;
    echo.text = Decode(prompt.tokens, *plan.model);
    size_t characters = 0;
    for (const tok_id_t token : prompt.tokens) {
      if (!plan.model->IsControl(token)) {
        characters += CountCharacters(plan.model->TokenBytes(token));
      }
    }
    echo.n_dropped = characters - std::min(characters, CountCharacters(echo.text));
    if (plan.wants_logprobs) Score(plan, prompt.tokens, call, &echo);
    echoes.push_back(std::move(echo));
  }
  return echoes;
}

}  // namespace openai
