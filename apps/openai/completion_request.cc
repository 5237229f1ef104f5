// SPDX-License-Identifier: MIT
#include "openai/completion_request.h"

#include <new>
#include <utility>

namespace openai {
namespace {

constexpr int64_t kDefaultMaxTokens = 16;
constexpr size_t kMaxPrompts = 2048;
constexpr int64_t kMaxLogprobs = 20;

// Encodes a text as that which a query continues: with BOS, where the vocabulary has it.
std::vector<tok_id_t> Encode(const std::string& text, const Model& model) {
  std::vector<tok_id_t> tokens(text.size() + 3);
  size_t count = 0;
  TakeReason();
  if (clamma_encode_query(model.handle(), nullptr, text.c_str(), 1, tokens.data(), tokens.size(),
                          &count) != 0 ||
      count > tokens.size()) {
    const std::string reason = TakeReason();
    if (reason.find("out of memory") != std::string::npos) throw std::bad_alloc();
    throw InvalidRequest(reason, "prompt");
  }
  tokens.resize(count);
  return tokens;
}

Prompt ReadPrompt(const Value& value, const Model& model, const std::string& path) {
  Prompt prompt;
  if (const std::string* text = value.text()) {
    if (text->find('\0') != std::string::npos) {
      throw InvalidRequest("'" + path + "' must not contain the character U+0000", path,
                           "invalid_value");
    }
    prompt.tokens = Encode(*text, model);
  } else if (const Value::Array* list = value.array()) {
    prompt.tokens = ReadTokens(*list, model, path);
  } else {
    throw InvalidRequest("'" + path + "' must be a string or an array, not " + value.KindName(),
                         path, "invalid_type");
  }
  if (prompt.tokens.empty()) {
    throw InvalidRequest("'" + path + "' has no tokens", path, "invalid_value");
  }
  return prompt;
}

std::vector<Prompt> ReadPrompts(Fields& fields, const Model& model) {
  const Value* const value = fields.Find("prompt");
  std::vector<Prompt> prompts;
  const Value::Array* const list = value == nullptr ? nullptr : value->array();
  if (value == nullptr) {
    prompts.push_back(ReadPrompt(Value(std::string()), model, "prompt"));
  } else if (list == nullptr || (!list->empty() && list->front().is_number())) {
    prompts.push_back(ReadPrompt(*value, model, "prompt"));
  } else {
    if (list->empty()) throw fields.Wrong("prompt", "must not be empty");
    if (list->size() > kMaxPrompts) {
      throw fields.Wrong("prompt", "must have at most " + std::to_string(kMaxPrompts) + " prompts");
    }
    for (size_t i = 0; i < list->size(); ++i) {
      prompts.push_back(ReadPrompt((*list)[i], model, ItemPath("prompt", i)));
    }
  }
  return prompts;
}

}  // namespace

std::vector<tok_id_t> ReadTokens(const Value::Array& list, const Model& model,
                                 const std::string& path) {
  std::vector<tok_id_t> tokens;
  tokens.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    int64_t token = -1;
    if (!list[i].Whole(&token) || !model.HasToken(token)) {
      throw InvalidRequest("'" + ItemPath(path, i) +
                               "' is not a token of this model: a whole number "
                               "from 0 to " +
                               std::to_string(model.facts().vocab_size - 1),
                           ItemPath(path, i), "invalid_value");
    }
    tokens.push_back(static_cast<tok_id_t>(token));
  }
  return tokens;
}

CompletionRequest ReadCompletionRequest(Fields& fields, Model& model, uint64_t salt,
                                        const RequestLimits& limits) {
  CompletionRequest request;
  Plan& plan = request.plan;
  plan.model = &model;
  plan.prompt_param = "prompt";
  plan.prompts = ReadPrompts(fields, model);
  plan.sampling = ReadSampling(fields, model, salt);
  const int64_t wanted = fields.Whole("max_tokens", 0, INT64_MAX).value_or(kDefaultMaxTokens);
  plan.sampling.max_tokens = LimitOf(static_cast<size_t>(wanted), limits.max_tokens);
  request.generates = wanted > 0;
  plan.n =
      static_cast<size_t>(fields.Whole("n", 1, static_cast<int64_t>(limits.choices)).value_or(1));
  const std::optional<int64_t> best_of = fields.Whole("best_of", 1, INT64_MAX);
  if (best_of.has_value() && *best_of != static_cast<int64_t>(plan.n)) {
    throw Unsupported("best_of", "only as many texts are generated as 'n' says");
  }
  const std::string* const suffix = fields.Text("suffix");
  if (suffix != nullptr && !suffix->empty()) {
    throw Unsupported("suffix", "this model continues texts, and does not fill gaps");
  }
  const std::optional<int64_t> logprobs = fields.Whole("logprobs", 0, kMaxLogprobs);
  plan.wants_logprobs = logprobs.has_value();
  plan.top_logprobs = static_cast<unsigned>(logprobs.value_or(0));
  request.answer.logprobs = plan.wants_logprobs;
  request.answer.echo = fields.Bool("echo").value_or(false);
  request.answer.stops = ReadStops(fields);
  ReadStreamOptions(fields, &request.answer);
  fields.Ignore({"user"});
  request.answer.choices = plan.prompts.size() * plan.n;
  request.answer.seed = plan.sampling.seed;
  return request;
}

}  // namespace openai
