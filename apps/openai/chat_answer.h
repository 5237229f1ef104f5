// SPDX-License-Identifier: MIT
// The answer to a chat: one body, or a stream of chunks.
#ifndef CLAMMA_APPS_OPENAI_CHAT_ANSWER_H_
#define CLAMMA_APPS_OPENAI_CHAT_ANSWER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "openai/answer_parts.h"
#include "openai/call.h"
#include "openai/generation.h"
#include "openai/reasoning_split.h"
#include "openai/stop_matcher.h"

namespace openai {

struct ChatAnswerOptions {
  bool streams = false;
  bool include_usage = false;  // of a stream
  bool logprobs = false;
  bool begins_in_reasoning = false;
  size_t choices = 1;
  int64_t seed = 0;
  std::vector<std::string> stops;
};

class ChatAnswer : public Output {
 public:
  ChatAnswer(std::shared_ptr<Call> call, const Model& model, ChatAnswerOptions options);

  void Begin() override;
  void AddToken(size_t choice, TokenLogprob token) override;
  bool AddText(size_t choice, std::string_view text) override;
  void EndChoice(size_t choice, Ending ending) override;
  void Finish(const Usage& usage) override;

 private:
  struct Choice {
    Choice(bool begins_in_reasoning, const std::vector<std::string>& stops)
        : split(begins_in_reasoning), stop(stops) {}
    ReasoningSplit split;
    StopMatcher stop;
    std::vector<TokenLogprob> tokens;  // whose text is not decided on
    bool has_stopped = false;
    std::string reasoning, content, logprobs;  // of a whole answer
    const char* finish_reason = "stop";
  };

  bool AddContent(size_t index, std::string_view text, bool is_last);
  bool Issue(size_t index, std::string_view reasoning, std::string_view content);
  std::string TakeLogprobs(Choice& choice) const;
  bool SendChunk(size_t index, std::string_view delta, std::string_view logprobs,
                 const char* finish_reason);
  void WriteHead(const char* object, JsonWriter* w) const;
  void WriteChoice(size_t index, JsonWriter* w) const;

  const std::shared_ptr<Call> call_;
  const Model& model_;
  const ChatAnswerOptions options_;
  const std::string id_ = NewId("chatcmpl-");
  const int64_t created_ = Now();
  std::vector<Choice> choices_;
  std::string chunk_begin_;  // of each chunk, up to the choice's index
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_CHAT_ANSWER_H_
