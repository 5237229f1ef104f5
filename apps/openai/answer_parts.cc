// SPDX-License-Identifier: MIT
#include "openai/answer_parts.h"

#include <array>
#include <cstdio>
#include <ctime>

#include "openai/errors.h"

namespace openai {
namespace {

// The members token, logprob and bytes.
void AppendToken(const Model& model, tok_id_t token, float logprob, std::string* out) {
  const std::string_view bytes = model.TokenBytes(token);
  *out += R"({"token":)";
  AppendQuoted(bytes, out);
  *out += R"(,"logprob":)";
  AppendNumber(logprob, out);
  *out += R"(,"bytes":[)";
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) *out += ',';
    *out += std::to_string(static_cast<unsigned char>(bytes[i]));
  }
  *out += ']';
}

}  // namespace

std::string NewId(std::string_view prefix) {
  std::array<char, 32> digits = {};
  std::snprintf(digits.data(), digits.size(), "%014llx%010llx",
                static_cast<unsigned long long>(RandomSeed()),
                static_cast<unsigned long long>(RandomSeed() >> 13));
  return std::string(prefix) + digits.data();
}

int64_t Now() { return static_cast<int64_t>(std::time(nullptr)); }

void WriteUsage(const Usage& usage, JsonWriter* w) {
  w->Number("prompt_tokens", usage.prompt_tokens)
      .Number("completion_tokens", usage.completion_tokens)
      .Number("total_tokens", usage.prompt_tokens + usage.completion_tokens)
      .Open("prompt_tokens_details", '{')
      .Number("cached_tokens", usage.cached_tokens)
      .Close()
      .Open("completion_tokens_details", '{')
      .Number("reasoning_tokens", usage.reasoning_tokens)
      .Close();
}

void WholeSize::Add(size_t bytes) {
  bytes_ += bytes;
  if (bytes_ <= kMax) return;
  throw InvalidRequest("The logprobs of this answer have more than " + std::to_string(kMax >> 20) +
                           " MB. Please stream it, or ask for fewer of them.",
                       "logprobs", "answer_too_large");
}

void AppendLogprob(const Model& model, const TokenLogprob& token, std::string* out) {
  AppendToken(model, token.token, token.logprob, out);
  *out += R"(,"top_logprobs":[)";
  for (const TokenLogprob::Top& top : token.top) {
    if (&top != token.top.data()) *out += ',';
    AppendToken(model, top.token, top.logprob, out);
    *out += '}';
  }
  *out += "]}";
}

}  // namespace openai
