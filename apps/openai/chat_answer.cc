// SPDX-License-Identifier: MIT
#include "openai/chat_answer.h"

#include <utility>

namespace openai {

ChatAnswer::ChatAnswer(std::shared_ptr<Call> call, const Model& model, ChatAnswerOptions options)
    : call_(std::move(call)), model_(model), options_(std::move(options)) {
  choices_.reserve(options_.choices);
  for (size_t i = 0; i < options_.choices; ++i) {
    choices_.emplace_back(options_.begins_in_reasoning, options_.stops);
  }
  JsonWriter w;
  WriteHead("chat.completion.chunk", &w);
  chunk_begin_ = w.Take() + ",\"choices\":[{\"index\":";
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
  call_->BeginStream({});
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
  chunk += ",\"delta\":{";
  chunk += delta;
  chunk += "},\"logprobs\":";
  chunk += logprobs;
  chunk += ",\"finish_reason\":";
  if (finish_reason == nullptr) {
    chunk += "null}]";
  } else {
    AppendQuoted(finish_reason, &chunk);
    chunk += "}]";
  }
  chunk += options_.include_usage ? ",\"usage\":null}" : "}";
  return call_->Send("", std::move(chunk));
}

void ChatAnswer::AddToken(size_t choice, TokenLogprob token) {
  choices_[choice].tokens.push_back(std::move(token));
}

bool ChatAnswer::AddText(size_t index, std::string_view text) {
  Choice& choice = choices_[index];
  if (choice.split.in_content()) return AddContent(index, text, false);
  std::string reasoning;
  std::string content;
  choice.split.Add(text, &reasoning, &content);
  // The tokens of reasoning and of its marks have no place in the answer.
  if (content.empty()) choice.tokens.clear();
  if (!reasoning.empty() && !Issue(index, reasoning, "")) return false;
  return AddContent(index, content, false);
}

// Adds content up to a stop string; returns false if it is to end.
bool ChatAnswer::AddContent(size_t index, std::string_view text, bool is_last) {
  Choice& choice = choices_[index];
  std::string content;
  choice.has_stopped = choice.stop.Add(text, &content);
  if (is_last && !choice.has_stopped) choice.stop.Finish(&content);
  if (!content.empty() && !Issue(index, "", content)) return false;
  return !choice.has_stopped;
}

// Takes the logprobs of the tokens whose text is issued: JSON, without brackets.
std::string ChatAnswer::TakeLogprobs(Choice& choice) const {
  std::string text;
  for (const TokenLogprob& token : choice.tokens) {
    if (!text.empty()) text += ',';
    AppendLogprob(model_, token, &text);
  }
  choice.tokens.clear();
  return text;
}

bool ChatAnswer::Issue(size_t index, std::string_view reasoning, std::string_view content) {
  Choice& choice = choices_[index];
  const std::string logprobs =
      options_.logprobs && !content.empty() ? TakeLogprobs(choice) : std::string();
  if (!options_.streams) {
    choice.reasoning += reasoning;
    choice.content += content;
    if (!logprobs.empty() && !choice.logprobs.empty()) choice.logprobs += ',';
    choice.logprobs += logprobs;
    return true;
  }
  std::string delta = reasoning.empty() ? "\"content\":\"" : "\"reasoning_content\":\"";
  AppendEscaped(reasoning.empty() ? content : reasoning, &delta);
  delta += '"';
  if (logprobs.empty()) return SendChunk(index, delta, "null", nullptr);
  return SendChunk(index, delta, "{\"content\":[" + logprobs + "],\"refusal\":null}", nullptr);
}

void ChatAnswer::EndChoice(size_t index, Ending ending) {
  Choice& choice = choices_[index];
  // The token that ended the text has none.
  if (ending == Ending::kStop && !choice.has_stopped && !choice.tokens.empty()) {
    choice.tokens.pop_back();
  }
  std::string reasoning;
  std::string content;
  choice.split.Finish(&reasoning, &content);
  if (!reasoning.empty()) Issue(index, reasoning, "");
  if (!choice.has_stopped) AddContent(index, content, true);
  choice.finish_reason =
      ending == Ending::kLength && !choice.has_stopped ? "length" : "stop";
  if (options_.streams) SendChunk(index, "", "null", choice.finish_reason);
}

void ChatAnswer::WriteChoice(size_t index, JsonWriter* w) const {
  const Choice& choice = choices_[index];
  w->OpenItem('{').Number("index", index).Open("message", '{').Text("role", "assistant");
  w->Text("content", choice.content).Null("refusal");
  if (!choice.reasoning.empty()) w->Text("reasoning_content", choice.reasoning);
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
  if (!options_.streams) return call_->Reply(200, {}, w.Take(), usage);
  if (options_.include_usage) call_->Send("", w.Take());
  call_->Send("", "[DONE]");
  call_->End(usage);
}

}  // namespace openai
