// SPDX-License-Identifier: MIT
#include "openai/responses_answer.h"

#include <utility>

namespace openai {
namespace {

std::string Quoted(std::string_view text) {
  std::string out;
  AppendQuoted(text, &out);
  return out;
}

}  // namespace

ResponsesAnswer::ResponsesAnswer(std::shared_ptr<Call> call, const Model& model,
                                 ResponsesAnswerOptions options)
    : call_(std::move(call)),
      model_(model),
      options_(std::move(options)),
      text_(options_.begins_in_reasoning, options_.stops, options_.NewToolParser()) {
  call_->NameErrorEvents();
}

std::string ResponsesAnswer::PartText(const Item& item) {
  if (item.kind == Kind::kReasoning) {
    return R"({"type":"reasoning_text","text":)" + Quoted(item.text) + "}";
  }
  return R"({"type":"output_text","text":)" + Quoted(item.text) +
         R"(,"annotations":[],"logprobs":[)" + item.logprobs + "]}";
}

std::string ResponsesAnswer::ItemText(const Item& item) {
  JsonWriter w;
  w.Open('{').Text("id", item.id);
  const bool is_empty = item.text.empty();
  switch (item.kind) {
    case Kind::kReasoning:
      w.Text("type", "reasoning").Raw("summary", "[]");
      w.Raw("content", is_empty ? "[]" : "[" + PartText(item) + "]");
      break;
    case Kind::kMessage:
      w.Text("type", "message").Text("role", "assistant");
      w.Raw("content", is_empty ? "[]" : "[" + PartText(item) + "]");
      break;
    case Kind::kCall:
      w.Text("type", "function_call").Text("call_id", item.call_id).Text("name", item.name);
      w.Text("arguments", item.text);
      break;
  }
  return w.Text("status", item.status).Close().Take();
}

std::string ResponsesAnswer::Response(const char* status, const Usage* usage) const {
  JsonWriter w;
  w.Open('{').Text("id", id_).Text("object", "response").Number("created_at", created_);
  w.Text("status", status).Bool("background", false).Null("error");
  if (is_cut_) {
    w.Raw("incomplete_details", R"({"reason":"max_output_tokens"})");
  } else {
    w.Null("incomplete_details");
  }
  w.Text("model", model_.id()).Text("system_fingerprint", model_.fingerprint());
  w.Number("seed", options_.seed).Open("output", '[');
  if (usage != nullptr) {
    for (const Item& item : items_) w.RawItem(ItemText(item));
  }
  w.Close().Null("previous_response_id").Bool("store", false).Text("truncation", "disabled");
  if (usage == nullptr) {
    w.Null("usage");
  } else {
    w.Open("usage", '{').Number("input_tokens", usage->prompt_tokens);
    w.Open("input_tokens_details", '{').Number("cached_tokens", usage->cached_tokens).Close();
    w.Number("output_tokens", usage->completion_tokens);
    w.Open("output_tokens_details", '{').Number("reasoning_tokens", usage->reasoning_tokens);
    w.Close();
    w.Number("total_tokens", usage->prompt_tokens + usage->completion_tokens).Close();
  }
  std::string text = w.Take();
  if (!options_.repeated.empty()) text += "," + options_.repeated;
  return text + "}";
}

void ResponsesAnswer::SendEvent(const char* type, std::string_view members) {
  std::string event =
      R"({"type":)" + Quoted(type) + ",\"sequence_number\":" + std::to_string(n_events_++);
  event += ',';
  event += members;
  event += '}';
  call_->Send(type, std::move(event));
}

void ResponsesAnswer::SendItemEvent(const char* type, const Item& item, bool has_part,
                                    std::string_view members) {
  std::string all =
      R"("item_id":)" + Quoted(item.id) + R"(,"output_index":)" + std::to_string(items_.size() - 1);
  if (has_part) all += R"(,"content_index":0)";
  all += ',';
  all += members;
  SendEvent(type, all);
}

void ResponsesAnswer::Begin() {
  if (!options_.streams) return;
  call_->BeginStream(options_.headers);
  const std::string response = R"("response":)" + Response("in_progress", nullptr);
  SendEvent("response.created", response);
  SendEvent("response.in_progress", response);
}

void ResponsesAnswer::AddToken(size_t /*choice*/, TokenLogprob token) {
  text_.AddToken(std::move(token));
}

bool ResponsesAnswer::AddMark(size_t /*index*/, std::string_view mark) {
  AnswerPart part;
  text_.AddMark(mark, &part);
  Add(part);
  return !call_->cancelled();
}

bool ResponsesAnswer::AddText(size_t /*index*/, std::string_view text) {
  AnswerPart part;
  text_.AddText(text, &part);
  Add(part);
  return !call_->cancelled();
}

ResponsesAnswer::Item& ResponsesAnswer::Open(Kind kind, const ToolDelta* call) {
  if (is_open_ && items_.back().kind == kind && (call == nullptr || call->name.empty())) {
    return items_.back();
  }
  if (is_open_) Close("completed");
  Item item = {.kind = kind, .id = "", .text = "", .logprobs = "", .call_id = "", .name = ""};
  item.id = NewId(kind == Kind::kReasoning ? "rs_" : kind == Kind::kMessage ? "msg_" : "fc_");
  if (call != nullptr) {
    item.call_id = call->id;
    item.name = call->name;
  }
  items_.push_back(std::move(item));
  is_open_ = true;
  if (options_.streams) {
    const Item& added = items_.back();
    SendEvent(
        "response.output_item.added",
        R"("output_index":)" + std::to_string(items_.size() - 1) + R"(,"item":)" + ItemText(added));
    if (kind != Kind::kCall) {
      SendItemEvent("response.content_part.added", added, true, R"("part":)" + PartText(added));
    }
  }
  return items_.back();
}

void ResponsesAnswer::AddDelta(Item& item, std::string_view delta, std::string_view logprobs) {
  item.text += delta;
  if (!logprobs.empty()) {
    if (!item.logprobs.empty()) item.logprobs += ',';
    item.logprobs += logprobs;
    size_.Add(logprobs.size());
  }
  if (!options_.streams) return;
  std::string members = R"("delta":)" + Quoted(delta);
  switch (item.kind) {
    case Kind::kReasoning:
      return SendItemEvent("response.reasoning_text.delta", item, true, members);
    case Kind::kMessage:
      members += R"(,"logprobs":[)" + std::string(logprobs) + "]";
      return SendItemEvent("response.output_text.delta", item, true, members);
    case Kind::kCall:
      return SendItemEvent("response.function_call_arguments.delta", item, false, members);
  }
}

void ResponsesAnswer::Add(const AnswerPart& part) {
  if (!part.reasoning.empty()) AddDelta(Open(Kind::kReasoning, nullptr), part.reasoning, "");
  if (!part.content.empty()) {
    std::string logprobs;
    for (const TokenLogprob& token : part.tokens) {
      if (!options_.logprobs) break;
      if (!logprobs.empty()) logprobs += ',';
      AppendLogprob(model_, token, &logprobs);
    }
    AddDelta(Open(Kind::kMessage, nullptr), part.content, logprobs);
  }
  for (const ToolDelta& call : part.calls) {
    Item& item = Open(Kind::kCall, &call);
    if (!call.arguments.empty()) AddDelta(item, call.arguments, "");
  }
}

void ResponsesAnswer::Close(const char* status) {
  Item& item = items_.back();
  item.status = status;
  is_open_ = false;
  if (!options_.streams) return;
  const std::string text = R"("text":)" + Quoted(item.text);
  switch (item.kind) {
    case Kind::kReasoning:
      SendItemEvent("response.reasoning_text.done", item, true, text);
      break;
    case Kind::kMessage:
      SendItemEvent("response.output_text.done", item, true,
                    text + R"(,"logprobs":[)" + item.logprobs + "]");
      break;
    case Kind::kCall:
      SendItemEvent("response.function_call_arguments.done", item, false,
                    R"("name":)" + Quoted(item.name) + R"(,"arguments":)" + Quoted(item.text));
      break;
  }
  if (item.kind != Kind::kCall) {
    SendItemEvent("response.content_part.done", item, true, R"("part":)" + PartText(item));
  }
  SendEvent("response.output_item.done", R"("output_index":)" + std::to_string(items_.size() - 1) +
                                             R"(,"item":)" + ItemText(item));
}

void ResponsesAnswer::EndChoice(size_t /*index*/, Ending ending) {
  AnswerPart part;
  text_.Finish(ending, &part);
  Add(part);
  is_cut_ = ending == Ending::kLength;
  if (items_.empty()) Open(Kind::kMessage, nullptr);
  if (is_open_) Close(is_cut_ ? "incomplete" : "completed");
}

void ResponsesAnswer::Finish(const Usage& usage) {
  const char* const status = is_cut_ ? "incomplete" : "completed";
  std::string response = Response(status, &usage);
  if (!options_.streams) return call_->Reply(200, options_.headers, std::move(response), usage);
  SendEvent(is_cut_ ? "response.incomplete" : "response.completed", R"("response":)" + response);
  call_->End(usage);
}

}  // namespace openai
