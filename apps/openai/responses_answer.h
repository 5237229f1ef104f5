// SPDX-License-Identifier: MIT
// The answer of /v1/responses: one body, or a stream of named events.
#ifndef CLAMMA_APPS_OPENAI_RESPONSES_ANSWER_H_
#define CLAMMA_APPS_OPENAI_RESPONSES_ANSWER_H_

#include <cstdint>
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

class ResponsesAnswer : public Output {
 public:
  ResponsesAnswer(std::shared_ptr<Call> call, const Model& model, ResponsesAnswerOptions options);

  void Begin() override;
  void AddToken(size_t choice, TokenLogprob token) override;
  bool AddMark(size_t index, std::string_view mark) override;
  bool AddText(size_t index, std::string_view text) override;
  bool IsReasoning(size_t /*index*/) const override { return text_.in_reasoning(); }
  void EndChoice(size_t index, Ending ending) override;
  void Finish(const Usage& usage) override;

 private:
  enum class Kind : uint8_t { kReasoning, kMessage, kCall };
  struct Item {
    Kind kind;
    std::string id;
    std::string text;           // or the call's arguments
    std::string logprobs;       // items of a list
    std::string call_id, name;  // of a call
    const char* status = "in_progress";
  };

  void Add(const AnswerPart& part);
  Item& Open(Kind kind, const ToolDelta* call);
  void Close(const char* status);
  void AddDelta(Item& item, std::string_view delta, std::string_view logprobs);
  static std::string ItemText(const Item& item);
  static std::string PartText(const Item& item);
  // `members` are appended to those that all events have.
  void SendEvent(const char* type, std::string_view members);
  void SendItemEvent(const char* type, const Item& item, bool has_part, std::string_view members);
  std::string Response(const char* status, const Usage* usage) const;

  const std::shared_ptr<Call> call_;
  const Model& model_;
  const ResponsesAnswerOptions options_;
  const std::string id_ = NewId("resp_");
  const int64_t created_ = Now();
  AnswerText text_;
  std::vector<Item> items_;
  bool is_open_ = false;  // the last item
  bool is_cut_ = false;   // by a limit
  WholeSize size_;
  uint64_t n_events_ = 0;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_RESPONSES_ANSWER_H_
