// SPDX-License-Identifier: MIT
// What the answers of several endpoints have in common.
#ifndef CLAMMA_APPS_OPENAI_ANSWER_PARTS_H_
#define CLAMMA_APPS_OPENAI_ANSWER_PARTS_H_

#include <cstddef>
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

// Bounds the logprobs that are kept of an answer, as they are a hundred times as large as its text.
class WholeSize {
 public:
  static constexpr size_t kMax = size_t{32} << 20;
  // Throws ApiError if there are too many bytes.
  void Add(size_t bytes);

 private:
  size_t bytes_ = 0;
};

// Appends one of the items of a chat's logprobs.content.
void AppendLogprob(const Model& model, const TokenLogprob& token, std::string* out);

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_ANSWER_PARTS_H_
