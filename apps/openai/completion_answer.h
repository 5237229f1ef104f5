// SPDX-License-Identifier: MIT
// The answer of /v1/completions: one body, or a stream of chunks.
#ifndef CLAMMA_APPS_OPENAI_COMPLETION_ANSWER_H_
#define CLAMMA_APPS_OPENAI_COMPLETION_ANSWER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "openai/answer_options.h"
#include "openai/answer_parts.h"
#include "openai/call.h"
#include "openai/echo.h"
#include "openai/generation.h"
#include "openai/stop_matcher.h"

namespace openai {

class CompletionAnswer : public Output {
 public:
  // `echoes` has one entry for each prompt, or none.
  CompletionAnswer(std::shared_ptr<Call> call, const Model& model, CompletionAnswerOptions options,
                   std::vector<EchoedPrompt> echoes);

  void Begin() override;
  void AddToken(size_t choice, TokenLogprob token) override;
  bool AddText(size_t index, std::string_view text) override;
  void EndChoice(size_t index, Ending ending) override;
  void Finish(const Usage& usage) override;

 private:
  // Logprobs in this endpoint's form: four lists, without brackets.
  struct Logprobs {
    std::string tokens, token_logprobs, top_logprobs, text_offset;
    std::string Text() const;
    size_t size() const {
      return tokens.size() + token_logprobs.size() + top_logprobs.size() + text_offset.size();
    }
  };
  struct Choice {
    explicit Choice(const std::vector<std::string>& stops) : stop(stops) {}
    StopMatcher stop;
    std::vector<TokenLogprob> pending;  // whose text is not issued yet
    int64_t offset = 0;                 // characters of the text so far
    bool has_stopped = false;
    std::string text;  // of a whole answer
    Logprobs logprobs;
    const char* finish_reason = "stop";
  };

  const EchoedPrompt* EchoOf(size_t index) const;
  void Add(Choice& choice, std::vector<TokenLogprob> tokens, Logprobs* logprobs) const;
  bool Issue(size_t index, std::string_view text);
  bool SendChunk(size_t index, std::string_view text, const Logprobs* logprobs,
                 const char* finish_reason);
  void WriteHead(JsonWriter* w) const;

  const std::shared_ptr<Call> call_;
  const Model& model_;
  const CompletionAnswerOptions options_;
  const std::vector<EchoedPrompt> echoes_;
  const std::string id_ = NewId("cmpl-");
  const int64_t created_ = Now();
  std::vector<Choice> choices_;
  WholeSize size_;
  std::string chunk_begin_;  // of each chunk, up to the choice's text
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_COMPLETION_ANSWER_H_
