// SPDX-License-Identifier: MIT
// What a user types: lines that are edited, with a history, on a terminal; lines as they come from
// anything else.
#ifndef CLAMMA_APPS_CHAT_LINE_INPUT_H_
#define CLAMMA_APPS_CHAT_LINE_INPUT_H_

#include <memory>
#include <string>
#include <vector>

class LineInput {
 public:
  // `commands`, such as "/help", are completed by Tab, and behind those that end in a space files
  // are. `colour`: what is typed is set apart. The history is kept in the state folder.
  LineInput(std::vector<std::string> commands, bool colour);
  ~LineInput();
  LineInput(const LineInput&) = delete;
  LineInput& operator=(const LineInput&) = delete;

  enum class Result {
    kLine,
    kAbandoned,  // Ctrl-C: the line is dropped
    kEnd,        // the end of the input, or Ctrl-D
  };

  // Waits for a line, without its newline; one that is pasted may have several. `more`: it goes on
  // with the one before.
  Result Read(std::string* line, bool more = false);

  // Puts a text that was written elsewhere into the history.
  void Remember(const std::string& text);

 private:
  struct Editor;  // on a terminal
  std::unique_ptr<Editor> editor_;
};

#endif  // CLAMMA_APPS_CHAT_LINE_INPUT_H_
