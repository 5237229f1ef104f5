// SPDX-License-Identifier: MIT
// Reads lines from the user: on a terminal with editing and a history, otherwise as they are.
#ifndef CLAMMA_APPS_CHAT_LINE_INPUT_H_
#define CLAMMA_APPS_CHAT_LINE_INPUT_H_

#include <memory>
#include <string>
#include <vector>

class LineInput {
 public:
  // Tab completes `commands`, such as "/help", and file names after those that end in a space.
  // `colour`: typed text is highlighted. The history is kept in the state folder.
  LineInput(std::vector<std::string> commands, bool colour);
  ~LineInput();
  LineInput(const LineInput&) = delete;
  LineInput& operator=(const LineInput&) = delete;

  enum class Result {
    kLine,
    kAbandoned,  // Ctrl-C: the line is dropped
    kEnd,        // the end of the input, or Ctrl-D
  };

  // Waits for a line, and returns it without its newline; a pasted one may have several lines.
  // `more`: it continues the previous line.
  Result Read(std::string* line, bool more = false);

  // Adds a text that was written elsewhere to the history.
  void Remember(const std::string& text);

 private:
  struct Editor;  // on a terminal
  std::unique_ptr<Editor> editor_;
};

#endif  // CLAMMA_APPS_CHAT_LINE_INPUT_H_
