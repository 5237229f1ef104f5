// SPDX-License-Identifier: MIT
#include "openai/completion_answer.h"

#include <algorithm>
#include <set>
#include <utility>

namespace openai {
namespace {

void Comma(std::string* list) {
  if (!list->empty()) *list += ',';
}

}  // namespace

CompletionAnswer::CompletionAnswer(std::shared_ptr<Call> call, const Model& model,
                                   CompletionAnswerOptions options,
                                   std::vector<EchoedPrompt> echoes)
    : call_(std::move(call)),
      model_(model),
      options_(std::move(options)),
      echoes_(std::move(echoes)) {
  choices_.reserve(options_.choices);
  for (size_t i = 0; i < options_.choices; ++i) choices_.emplace_back(options_.stops);
  JsonWriter w;
  WriteHead(&w);
  chunk_begin_ = w.Take() + R"(,"choices":[{"text":")";
}

void CompletionAnswer::WriteHead(JsonWriter* w) const {
  w->Open('{')
      .Text("id", id_)
      .Text("object", "text_completion")
      .Number("created", created_)
      .Text("model", model_.id())
      .Text("system_fingerprint", model_.fingerprint())
      .Number("seed", options_.seed);
}

const EchoedPrompt* CompletionAnswer::EchoOf(size_t index) const {
  return echoes_.empty() ? nullptr : &echoes_[index / (options_.choices / echoes_.size())];
}

void CompletionAnswer::Begin() {
  if (options_.streams) call_->BeginStream({});
  for (size_t i = 0; i < choices_.size(); ++i) {
    const EchoedPrompt* const echo = EchoOf(i);
    if (echo == nullptr) continue;
    choices_[i].pending = echo->tokens;
    choices_[i].offset = -static_cast<int64_t>(echo->n_dropped);
    Issue(i, echo->text);
  }
}

void CompletionAnswer::AddToken(size_t choice, TokenLogprob token) {
  choices_[choice].pending.push_back(std::move(token));
}

bool CompletionAnswer::AddText(size_t index, std::string_view text) {
  Choice& choice = choices_[index];
  std::string out;
  choice.has_stopped = choice.stop.Add(text, &out);
  if (!out.empty() && !Issue(index, out)) return false;
  return !choice.has_stopped;
}

void CompletionAnswer::Add(Choice& choice, std::vector<TokenLogprob> tokens,
                           Logprobs* logprobs) const {
  for (const TokenLogprob& token : tokens) {
    const std::string_view bytes = model_.TokenBytes(token.token);
    Comma(&logprobs->tokens);
    AppendQuoted(bytes, &logprobs->tokens);
    Comma(&logprobs->token_logprobs);
    AppendNumber(token.logprob, &logprobs->token_logprobs);
    Comma(&logprobs->text_offset);
    logprobs->text_offset += std::to_string(std::max<int64_t>(choice.offset, 0));
    if (!model_.IsControl(token.token)) {
      choice.offset += static_cast<int64_t>(CountCharacters(bytes));
    }
    Comma(&logprobs->top_logprobs);
    if (token.top.empty()) {
      logprobs->top_logprobs += "null";
      continue;
    }
    // An object has one member for texts that several tokens stand for: the likeliest.
    std::set<std::string_view> written;
    JsonWriter w;
    w.Open('{');
    for (const TokenLogprob::Top& top : token.top) {
      const std::string_view name = model_.TokenBytes(top.token);
      if (written.insert(name).second) w.Number(name, top.logprob);
    }
    if (written.insert(bytes).second) w.Number(bytes, token.logprob);
    logprobs->top_logprobs += w.Close().text();
  }
}

std::string CompletionAnswer::Logprobs::Text() const {
  return R"({"tokens":[)" + tokens + R"(],"token_logprobs":[)" + token_logprobs +
         R"(],"top_logprobs":[)" + top_logprobs + R"(],"text_offset":[)" + text_offset + "]}";
}

bool CompletionAnswer::Issue(size_t index, std::string_view text) {
  Choice& choice = choices_[index];
  if (!options_.streams) {
    choice.text += text;
    if (options_.logprobs) {
      const size_t before = choice.logprobs.size();
      Add(choice, std::exchange(choice.pending, {}), &choice.logprobs);
      size_.Add(choice.logprobs.size() - before);
    }
    return true;
  }
  if (!options_.logprobs) return SendChunk(index, text, nullptr, nullptr);
  Logprobs logprobs;
  Add(choice, std::exchange(choice.pending, {}), &logprobs);
  return SendChunk(index, text, &logprobs, nullptr);
}

bool CompletionAnswer::SendChunk(size_t index, std::string_view text, const Logprobs* logprobs,
                                 const char* finish_reason) {
  std::string chunk = chunk_begin_;
  AppendEscaped(text, &chunk);
  chunk += R"(","index":)" + std::to_string(index) + R"(,"logprobs":)";
  chunk += logprobs == nullptr ? "null" : logprobs->Text();
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

void CompletionAnswer::EndChoice(size_t index, Ending ending) {
  Choice& choice = choices_[index];
  // The token that ended the text has none.
  if (ending == Ending::kStop && !choice.has_stopped && !choice.pending.empty()) {
    choice.pending.pop_back();
  }
  std::string rest;
  if (!choice.has_stopped) choice.stop.Finish(&rest);
  if (!rest.empty()) Issue(index, rest);
  choice.finish_reason = ending == Ending::kLength && !choice.has_stopped ? "length" : "stop";
  if (options_.streams) SendChunk(index, "", nullptr, choice.finish_reason);
}

void CompletionAnswer::Finish(const Usage& usage) {
  JsonWriter w;
  WriteHead(&w);
  w.Open("choices", '[');
  for (size_t i = 0; !options_.streams && i < choices_.size(); ++i) {
    const Choice& choice = choices_[i];
    w.OpenItem('{').Text("text", choice.text).Number("index", i);
    if (options_.logprobs) {
      w.Raw("logprobs", choice.logprobs.Text());
    } else {
      w.Null("logprobs");
    }
    w.Text("finish_reason", choice.finish_reason).Close();
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
