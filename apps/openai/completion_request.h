// SPDX-License-Identifier: MIT
// Reads the body of /v1/completions.
#ifndef CLAMMA_APPS_OPENAI_COMPLETION_REQUEST_H_
#define CLAMMA_APPS_OPENAI_COMPLETION_REQUEST_H_

#include "openai/chat_request.h"
#include "openai/completion_answer.h"
#include "openai/fields.h"
#include "openai/generation.h"
#include "openai/model.h"

namespace openai {

struct CompletionRequest {
  Plan plan;
  CompletionAnswerOptions answer;
  bool generates = true;  // false: "max_tokens" is 0
};

// Throws ApiError.
CompletionRequest ReadCompletionRequest(Fields& fields, Model& model, uint64_t salt,
                                        const RequestLimits& limits);

// A list of tokens, each of which the model must have.
std::vector<tok_id_t> ReadTokens(const Value::Array& list, const Model& model,
                                 const std::string& path);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_COMPLETION_REQUEST_H_
