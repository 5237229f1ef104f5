// SPDX-License-Identifier: MIT
#include "openai/chat_request.h"

#include <algorithm>
#include <utility>

#include "openai/messages.h"
#include "openai/response_format.h"
#include "openai/sampling.h"
#include "openai/template_arguments.h"
#include "openai/tools/tool_setup.h"

namespace openai {
namespace {

void ReadLogprobs(Fields& fields, ChatRequest* request) {
  request->answer.logprobs = fields.Bool("logprobs").value_or(false);
  const std::optional<int64_t> top = fields.Whole("top_logprobs", 0, kMaxTopLogprobs);
  if (top.value_or(0) > 0 && !request->answer.logprobs) {
    throw fields.Wrong("top_logprobs", "needs 'logprobs' to be true");
  }
  request->plan.wants_logprobs = request->answer.logprobs;
  request->plan.top_logprobs = static_cast<unsigned>(top.value_or(0));
}

// What would make the answer another one than the client expects.
void RefuseOthers(Fields& fields) {
  fields.Refuse("functions", "use 'tools'");
  fields.Refuse("function_call", "use 'tool_choice'");
  fields.Refuse("audio", "this model has no voice");
  fields.Refuse("web_search_options", "there is no search");
  fields.Refuse("continue_final_message", "the last answer cannot be continued");
  fields.RefuseUnless("add_generation_prompt", true, "an answer always begins");
  const Value::Array* const modalities = fields.Array("modalities", 8);
  for (size_t i = 0; modalities != nullptr && i < modalities->size(); ++i) {
    const std::string* const name = (*modalities)[i].text();
    if (name == nullptr || *name != "text") throw Unsupported("modalities", "answers are texts");
  }
  const std::string* const verbosity = fields.Text("verbosity");
  if (verbosity != nullptr && *verbosity != "medium") {
    throw Unsupported("verbosity", "say in the messages how long the answer should be");
  }
}

}  // namespace

size_t LimitOf(size_t wanted, size_t allowed) {
  if (wanted == 0 || allowed == 0) return std::max(wanted, allowed);
  return std::min(wanted, allowed);
}

void ReadStreamOptions(Fields& fields, AnswerOptions* answer) {
  answer->streams = fields.Bool("stream").value_or(false);
  const Value* const options = fields.Object("stream_options");
  if (options == nullptr) return;
  if (!answer->streams) throw fields.Wrong("stream_options", "needs 'stream' to be true");
  Fields members(*options, "stream_options");
  answer->include_usage = members.Bool("include_usage").value_or(false);
}

void SetUpChat(const ToolChoice& tools, Prompt prompt, Plan* plan, ChatAnswerOptions* answer) {
  Model& model = *plan->model;
  const CallSyntax syntax = CallSyntax::Of(
      model.chat_template(), [&](std::string_view name) { return model.FindControl(name); });
  answer->make_tool_parser = SetUpTools(syntax, tools, &prompt, &plan->constraint, &plan->marks);
  answer->begins_in_reasoning = model.BeginsInReasoning(prompt.arguments);
  if (answer->begins_in_reasoning) BeginAfterReasoning(&plan->constraint);
  answer->choices = plan->n;
  answer->seed = plan->sampling.seed;
  plan->prompts.push_back(std::move(prompt));
}

ChatRequest ReadChatRequest(Fields& fields, Model& model, uint64_t salt,
                            const RequestLimits& limits) {
  ChatRequest request;
  Prompt prompt;
  prompt.messages = ReadMessages(fields, model);
  prompt.arguments = ReadTemplateArguments(fields, fields.Text("reasoning_effort"));
  request.plan.model = &model;
  request.plan.sampling = ReadSampling(fields, model, salt);
  const std::optional<int64_t> max_tokens = fields.Whole("max_tokens", 1, INT64_MAX);
  const std::optional<int64_t> max_completion = fields.Whole("max_completion_tokens", 1, INT64_MAX);
  const int64_t wanted = max_completion.has_value() ? *max_completion : max_tokens.value_or(0);
  request.plan.sampling.max_tokens = LimitOf(static_cast<size_t>(wanted), limits.max_tokens);
  request.plan.n =
      static_cast<size_t>(fields.Whole("n", 1, static_cast<int64_t>(limits.choices)).value_or(1));
  request.plan.constraint = ReadResponseFormat(fields);
  ReadLogprobs(fields, &request);
  request.answer.stops = ReadStops(fields);
  ReadStreamOptions(fields, &request.answer);
  RefuseOthers(fields);
  fields.Ignore({"user", "metadata", "service_tier", "store", "safety_identifier",
                 "prompt_cache_key", "prompt_cache_retention", "prediction"});
  const ToolChoice tools = ReadTools(fields, ToolStyle::kChat);
  SetUpChat(tools, std::move(prompt), &request.plan, &request.answer);
  return request;
}

}  // namespace openai
