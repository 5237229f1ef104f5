// SPDX-License-Identifier: MIT
// Reads the body of /v1/responses.
#ifndef CLAMMA_APPS_OPENAI_RESPONSES_REQUEST_H_
#define CLAMMA_APPS_OPENAI_RESPONSES_REQUEST_H_

#include "openai/chat_request.h"
#include "openai/fields.h"
#include "openai/generation.h"
#include "openai/model.h"
#include "openai/responses_answer.h"

namespace openai {

struct ResponsesRequest {
  using Output = ResponsesAnswer;
  Plan plan;
  ResponsesAnswerOptions answer;
};

// Throws ApiError. `fields` is the body, of which "model" has been read.
ResponsesRequest ReadResponsesRequest(Fields& fields, Model& model, uint64_t salt,
                                      const RequestLimits& limits);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_RESPONSES_REQUEST_H_
