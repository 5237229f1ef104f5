// SPDX-License-Identifier: MIT
#include "openai/responses_request.h"

#include <string_view>
#include <utility>

#include "openai/input_items.h"
#include "openai/json_text.h"
#include "openai/response_format.h"
#include "openai/sampling.h"
#include "openai/template_arguments.h"
#include "openai/tools/tool_setup.h"

namespace openai {
namespace {

constexpr size_t kMaxIncludes = 32;

// What would make the answer another one than the client expects.
void RefuseOthers(Fields& fields) {
  fields.Refuse("previous_response_id", "nothing is stored: send the whole conversation");
  fields.Refuse("conversation", "nothing is stored: send the whole conversation");
  fields.Refuse("prompt", "there are no stored prompts");
  fields.RefuseUnless("background", false, "nothing is stored");
  const std::string* const truncation = fields.Text("truncation");
  if (truncation != nullptr && *truncation != "disabled") {
    throw Unsupported("truncation", "a conversation that is too long is refused");
  }
  fields.Ignore({"user", "metadata", "service_tier", "store", "safety_identifier",
                 "prompt_cache_key", "prompt_cache_retention", "max_tool_calls"});
}

Constraint ReadText(Fields& fields) {
  const Value* const text = fields.Object("text");
  if (text == nullptr) return {};
  Fields members(*text, "text");
  const std::string* const verbosity = members.Text("verbosity");
  if (verbosity != nullptr && *verbosity != "medium") {
    throw Unsupported("text.verbosity", "say in the input how long the answer should be");
  }
  const Value* const format = members.Object("format");
  if (format == nullptr) return {};
  Fields parts(*format, "text.format");
  return ReadFormat(parts.NeededText("type"), *format, "text.format");
}

const std::string* ReadEffort(Fields& fields) {
  const Value* const reasoning = fields.Object("reasoning");
  if (reasoning == nullptr) return nullptr;
  Fields members(*reasoning, "reasoning");
  return members.Text("effort");
}

void ReadIncludes(Fields& fields, ResponsesRequest* request) {
  const Value::Array* const includes = fields.Array("include", kMaxIncludes);
  for (size_t i = 0; includes != nullptr && i < includes->size(); ++i) {
    const std::string* const name = (*includes)[i].text();
    if (name == nullptr) throw fields.Wrong("include", "must be a list of strings");
    if (*name == "message.output_text.logprobs") request->answer.logprobs = true;
  }
  const std::optional<int64_t> top = fields.Whole("top_logprobs", 0, kMaxTopLogprobs);
  request->plan.wants_logprobs = request->answer.logprobs;
  request->plan.top_logprobs = static_cast<unsigned>(top.value_or(0));
}

// Appends a member of the request as it stands, or what stands for its absence.
void Repeat(Fields& fields, const char* name, std::string_view otherwise, std::string* out) {
  const Value* const value = fields.Find(name);
  if (!out->empty()) *out += ',';
  AppendQuoted(name, out);
  *out += ':';
  *out += value == nullptr ? std::string(otherwise) : value->Text();
}

std::string Repeated(Fields& fields) {
  std::string out;
  Repeat(fields, "instructions", "null", &out);
  Repeat(fields, "max_output_tokens", "null", &out);
  Repeat(fields, "metadata", "{}", &out);
  Repeat(fields, "parallel_tool_calls", "true", &out);
  Repeat(fields, "reasoning", R"({"effort":null,"summary":null})", &out);
  Repeat(fields, "temperature", "1.0", &out);
  Repeat(fields, "text", R"({"format":{"type":"text"}})", &out);
  Repeat(fields, "tool_choice", R"("auto")", &out);
  Repeat(fields, "tools", "[]", &out);
  Repeat(fields, "top_logprobs", "0", &out);
  Repeat(fields, "top_p", "1.0", &out);
  Repeat(fields, "user", "null", &out);
  return out;
}

}  // namespace

ResponsesRequest ReadResponsesRequest(Fields& fields, Model& model, uint64_t salt,
                                      const RequestLimits& limits) {
  ResponsesRequest request;
  request.plan.model = &model;
  request.plan.prompt_param = "input";
  Prompt prompt;
  prompt.messages = ReadInput(fields, model);
  prompt.arguments = ReadTemplateArguments(fields, ReadEffort(fields));
  request.plan.sampling = ReadSampling(fields, model, salt);
  const int64_t wanted = fields.Whole("max_output_tokens", 1, INT64_MAX).value_or(0);
  request.plan.sampling.max_tokens = LimitOf(static_cast<size_t>(wanted), limits.max_tokens);
  request.plan.constraint = ReadText(fields);
  ReadIncludes(fields, &request);
  ReadStreamOptions(fields, &request.answer);
  RefuseOthers(fields);
  const ToolChoice tools = ReadTools(fields, ToolStyle::kResponses);
  SetUpChat(tools, std::move(prompt), &request.plan, &request.answer);
  request.answer.repeated = Repeated(fields);
  return request;
}

}  // namespace openai
