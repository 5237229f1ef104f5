// SPDX-License-Identifier: MIT
// The answer to a chat: one body, or a stream of chunks.
#ifndef CLAMMA_APPS_OPENAI_CHAT_ANSWER_H_
#define CLAMMA_APPS_OPENAI_CHAT_ANSWER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "openai/answer_options.h"
#include "openai/answer_parts.h"
#include "openai/answer_text.h"
#include "openai/call.h"
#include "openai/generation.h"

namespace openai {

class ChatAnswer : public Output {
 public:
  ChatAnswer(std::shared_ptr<Call> call, const Model& model, ChatAnswerOptions options);

  void Begin() override;
  void AddToken(size_t choice, TokenLogprob token) override;
  bool AddMark(size_t index, std::string_view mark) override;
  bool AddText(size_t index, std::string_view text) override;
  bool IsReasoning(size_t index) const override { return choices_[index].text.in_reasoning(); }
  void EndChoice(size_t index, Ending ending) override;
  void Finish(const Usage& usage) override;

 private:
  struct WholeCall {
    std::string id, name, arguments;
  };
  struct Choice {
    explicit Choice(AnswerText answer_text) : text(std::move(answer_text)) {}
    AnswerText text;
    // Of a whole answer.
    std::string reasoning, content, logprobs;
    std::vector<WholeCall> calls;
    const char* finish_reason = "stop";
  };

  bool Issue(size_t index, const AnswerPart& part);
  void Keep(Choice& choice, const AnswerPart& part);
  bool SendPart(size_t index, const AnswerPart& part);
  bool SendCalls(size_t index, const std::vector<ToolDelta>& calls);
  bool SendChunk(size_t index, std::string_view delta, std::string_view logprobs,
                 const char* finish_reason);
  std::string Logprobs(const std::vector<TokenLogprob>& tokens) const;
  void WriteHead(const char* object, JsonWriter* w) const;
  void WriteChoice(size_t index, JsonWriter* w) const;

  const std::shared_ptr<Call> call_;
  const Model& model_;
  const ChatAnswerOptions options_;
  const std::string id_ = NewId("chatcmpl-");
  const int64_t created_ = Now();
  std::vector<Choice> choices_;
  WholeSize size_;
  std::string chunk_begin_;  // of each chunk, up to the choice's index
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_CHAT_ANSWER_H_
