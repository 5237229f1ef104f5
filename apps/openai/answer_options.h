// SPDX-License-Identifier: MIT
// What a request says about the form of its answer.
#ifndef CLAMMA_APPS_OPENAI_ANSWER_OPTIONS_H_
#define CLAMMA_APPS_OPENAI_ANSWER_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "openai/service.h"
#include "openai/tools/tool_parser.h"

namespace openai {

struct AnswerOptions {
  bool streams = false;
  bool include_usage = false;  // of a stream
  bool logprobs = false;
  size_t choices = 1;
  int64_t seed = 0;
  std::vector<std::string> stops;
  std::vector<Header> headers;
};

struct ChatAnswerOptions : AnswerOptions {
  bool begins_in_reasoning = false;
  std::function<std::unique_ptr<ToolParser>()> make_tool_parser;  // nullptr: there are no tools

  std::unique_ptr<ToolParser> NewToolParser() const {
    return make_tool_parser == nullptr ? nullptr : make_tool_parser();
  }
};

struct ResponsesAnswerOptions : ChatAnswerOptions {
  // What of the request a response repeats: members, as JSON, without the braces.
  std::string repeated;
};

struct CompletionAnswerOptions : AnswerOptions {
  bool echo = false;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_ANSWER_OPTIONS_H_
