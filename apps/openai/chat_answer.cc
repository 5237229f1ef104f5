// SPDX-License-Identifier: MIT
#include "openai/chat_answer.h"

#include <utility>

namespace openai {

ChatAnswer::ChatAnswer(std::shared_ptr<Call> call, const Model& model, ChatAnswerOptions options)
    : call_(std::move(call)), model_(model), options_(std::move(options)) {
  choices_.reserve(options_.choices);
  for (size_t i = 0; i < options_.choices; ++i) {
    choices_.emplace_back(
        AnswerText(options_.begins_in_reasoning, options_.stops, options_.NewToolParser()));
  }
  JsonWriter w;
  WriteHead("chat.completion.chunk", &w);
  chunk_begin_ = w.Take() + R"(,"choices":[{"index":)";
}

void ChatAnswer::WriteHead(const char* object, JsonWriter* w) const {
  w->Open('{')
      .Text("id", id_)
      .Text("object", object)
      .Number("created", created_)
      .Text("model", model_.id())
      .Text("system_fingerprint", model_.fingerprint())
      .Number("seed", options_.seed);
}

void ChatAnswer::Begin() {
  if (!options_.streams) return;
  call_->BeginStream(options_.headers);
  for (size_t i = 0; i < choices_.size(); ++i) {
    SendChunk(i, R"("role":"assistant","content":"")", "null", nullptr);
  }
}

bool ChatAnswer::SendChunk(size_t index, std::string_view delta, std::string_view logprobs,
                           const char* finish_reason) {
  std::string chunk;
  chunk.reserve(chunk_begin_.size() + delta.size() + logprobs.size() + 100);
  chunk += chunk_begin_;
  chunk += std::to_string(index);
  chunk += R"(,"delta":{)";
  chunk += delta;
  chunk += R"(},"logprobs":)";
  chunk += logprobs;
  chunk += R"(,"finish_reason":)";
  if (finish_reason == nullptr) {
    chunk += "null}]";
  } else {
    AppendQuoted(finish_reason, &chunk);
    chunk += "}]";
  }
  chunk += options_.include_usage ? R"(,"usage":null})" : "}";
  return call_->Send("", std::move(chunk));
}

void ChatAnswer::AddToken(size_t choice, TokenLogprob token) {
  choices_[choice].text.AddToken(std::move(token));
}

bool ChatAnswer::AddMark(size_t index, std::string_view mark) {
  AnswerPart part;
  choices_[index].text.AddMark(mark, &part);
  return Issue(index, part);
}

bool ChatAnswer::AddText(size_t index, std::string_view text) {
  AnswerPart part;
  const bool goes_on = choices_[index].text.AddText(text, &part);
  return Issue(index, part) && goes_on;
}

void ChatAnswer::EndChoice(size_t index, Ending ending) {
  Choice& choice = choices_[index];
  AnswerPart part;
  choice.text.Finish(ending, &part);
  Issue(index, part);
  choice.finish_reason = choice.text.FinishReason(ending);
  if (options_.streams) SendChunk(index, "", "null", choice.finish_reason);
}

bool ChatAnswer::Issue(size_t index, const AnswerPart& part) {
  if (options_.streams) return SendPart(index, part);
  Keep(choices_[index], part);
  return true;
}

// The items of a list of logprobs, without its brackets.
std::string ChatAnswer::Logprobs(const std::vector<TokenLogprob>& tokens) const {
  std::string text;
  for (const TokenLogprob& token : tokens) {
    if (!text.empty()) text += ',';
    AppendLogprob(model_, token, &text);
  }
  return text;
}

void ChatAnswer::Keep(Choice& choice, const AnswerPart& part) {
  choice.reasoning += part.reasoning;
  choice.content += part.content;
  if (options_.logprobs && !part.tokens.empty()) {
    if (!choice.logprobs.empty()) choice.logprobs += ',';
    const std::string logprobs = Logprobs(part.tokens);
    size_.Add(logprobs.size());
    choice.logprobs += logprobs;
  }
  for (const ToolDelta& delta : part.calls) {
    if (delta.index >= choice.calls.size()) choice.calls.push_back({delta.id, delta.name, ""});
    choice.calls.back().arguments += delta.arguments;
  }
}

bool ChatAnswer::SendPart(size_t index, const AnswerPart& part) {
  if (!part.reasoning.empty()) {
    std::string delta = R"("reasoning_content":)";
    AppendQuoted(part.reasoning, &delta);
    if (!SendChunk(index, delta, "null", nullptr)) return false;
  }
  if (!part.content.empty()) {
    std::string delta = R"("content":)";
    AppendQuoted(part.content, &delta);
    std::string logprobs = "null";
    if (options_.logprobs && !part.tokens.empty()) {
      logprobs = R"({"content":[)" + Logprobs(part.tokens) + R"(],"refusal":null})";
    }
    if (!SendChunk(index, delta, logprobs, nullptr)) return false;
  }
  return part.calls.empty() || SendCalls(index, part.calls);
}

bool ChatAnswer::SendCalls(size_t index, const std::vector<ToolDelta>& calls) {
  JsonWriter w;
  w.Open('[');
  for (const ToolDelta& call : calls) {
    w.OpenItem('{').Number("index", call.index);
    if (!call.name.empty()) w.Text("id", call.id).Text("type", "function");
    w.Open("function", '{');
    if (!call.name.empty()) w.Text("name", call.name);
    w.Text("arguments", call.arguments).Close().Close();
  }
  return SendChunk(index, R"("tool_calls":)" + w.Close().text(), "null", nullptr);
}

void ChatAnswer::WriteChoice(size_t index, JsonWriter* w) const {
  const Choice& choice = choices_[index];
  w->OpenItem('{').Number("index", index).Open("message", '{').Text("role", "assistant");
  if (choice.content.empty() && !choice.calls.empty()) {
    w->Null("content");
  } else {
    w->Text("content", choice.content);
  }
  w->Null("refusal");
  if (!choice.reasoning.empty()) w->Text("reasoning_content", choice.reasoning);
  if (!choice.calls.empty()) {
    w->Open("tool_calls", '[');
    for (const WholeCall& call : choice.calls) {
      w->OpenItem('{').Text("id", call.id).Text("type", "function").Open("function", '{');
      w->Text("name", call.name).Text("arguments", call.arguments).Close().Close();
    }
    w->Close();
  }
  w->Close();
  if (options_.logprobs) {
    w->Open("logprobs", '{').Raw("content", "[" + choice.logprobs + "]").Null("refusal").Close();
  } else {
    w->Null("logprobs");
  }
  w->Text("finish_reason", choice.finish_reason).Close();
}

void ChatAnswer::Finish(const Usage& usage) {
  JsonWriter w;
  WriteHead(options_.streams ? "chat.completion.chunk" : "chat.completion", &w);
  w.Open("choices", '[');
  if (!options_.streams) {
    for (size_t i = 0; i < choices_.size(); ++i) WriteChoice(i, &w);
  }
  w.Close().Open("usage", '{');
  WriteUsage(usage, &w);
  w.Close().Close();
  if (!options_.streams) return call_->Reply(200, options_.headers, w.Take(), usage);
  if (options_.include_usage) call_->Send("", w.Take());
  call_->Send("", "[DONE]");
  call_->End(usage);
}

}  // namespace openai
