// SPDX-License-Identifier: MIT
// Lines of a user: edited, with a history, on a terminal; as they come from anything else.
#ifndef CLAMMA_APPS_CHAT_LINE_INPUT_H_
#define CLAMMA_APPS_CHAT_LINE_INPUT_H_

#include <memory>
#include <string>

class LineInput {
 public:
  LineInput();
  ~LineInput();
  LineInput(const LineInput&) = delete;
  LineInput& operator=(const LineInput&) = delete;

  enum class Result {
    kLine,
    kAbandoned,  // Ctrl-C: the line is dropped
    kEnd,        // the end of the input, or Ctrl-D
  };

  // Waits for a line, without its newline.
  Result Read(std::string* line);

 private:
  struct Editor;  // on a terminal
  std::unique_ptr<Editor> editor_;
};

#endif  // CLAMMA_APPS_CHAT_LINE_INPUT_H_
