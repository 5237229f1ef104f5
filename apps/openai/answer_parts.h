// SPDX-License-Identifier: MIT
// What the answers of several endpoints have in common.
#ifndef CLAMMA_APPS_OPENAI_ANSWER_PARTS_H_
#define CLAMMA_APPS_OPENAI_ANSWER_PARTS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "openai/generation.h"
#include "openai/json_text.h"
#include "openai/model.h"

namespace openai {

// "chatcmpl-" and 24 hexadecimal digits, which come once only.
std::string NewId(std::string_view prefix);

// Seconds since 1970.
int64_t Now();

// The members prompt_tokens, completion_tokens ... of usage.
void WriteUsage(const Usage& usage, JsonWriter* w);

// Appends one of the items of a chat's logprobs.content.
void AppendLogprob(const Model& model, const TokenLogprob& token, std::string* out);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_ANSWER_PARTS_H_
