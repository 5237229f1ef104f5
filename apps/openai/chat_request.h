// SPDX-License-Identifier: MIT
// Reads the body of /v1/chat/completions.
#ifndef CLAMMA_APPS_OPENAI_CHAT_REQUEST_H_
#define CLAMMA_APPS_OPENAI_CHAT_REQUEST_H_

#include "openai/chat_answer.h"
#include "openai/fields.h"
#include "openai/generation.h"
#include "openai/model.h"
#include "openai/tools/tool_list.h"

namespace openai {

struct RequestLimits {
  size_t choices = 1;
  size_t max_tokens = 0;  // 0: as many as the context has
};

struct ChatRequest {
  using Output = ChatAnswer;
  Plan plan;
  ChatAnswerOptions answer;
};

// Throws ApiError. `fields` is the body, of which "model" has been read.
ChatRequest ReadChatRequest(Fields& fields, Model& model, uint64_t salt,
                            const RequestLimits& limits);

// Reads "stream" and "stream_options".
void ReadStreamOptions(Fields& fields, AnswerOptions* answer);

// The rest of a chat: its prompt, with the tools, which may constrain the answer, too.
void SetUpChat(const ToolChoice& tools, Prompt prompt, Plan* plan, ChatAnswerOptions* answer);

// The smaller of what the request wants and the operator allows; 0: no limit.
size_t LimitOf(size_t wanted, size_t allowed);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_CHAT_REQUEST_H_
