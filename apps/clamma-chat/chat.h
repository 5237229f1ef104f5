// SPDX-License-Identifier: MIT
// Handles the user's input: prompts, and commands that begin with a slash.
#ifndef CLAMMA_APPS_CHAT_CHAT_H_
#define CLAMMA_APPS_CHAT_CHAT_H_

#include <clamma-extra.h>

#include <string>
#include <vector>

#include "answer_output.h"
#include "conversation.h"
#include "line_input.h"

struct ChatOptions {
  bool quiet = false;   // do not show the speed
  bool colour = false;  // use colours
  Think think = Think::kDim;
  bool thinks = false;      // the template opens the model's reasoning
  std::string description;  // of the model, for /info
};

class Chat {
 public:
  Chat(ChatOptions options, Conversation* conversation);

  // Sends `first`, if it is not nullptr, and then handles the input until it ends. Returns the exit
  // code.
  int Run(const std::string* first);

 private:
  struct Command {
    const char* name;
    const char* argument;  // as /help shows it; "": none
    const char* help;
    void (Chat::*run)(const std::string& argument);
  };
  static const Command kCommands[];
  static std::vector<std::string> Completions();
  static const Command* FindCommand(const std::string& name);  // nullptr: there is none

  LineInput::Result ReadMessage(std::string* text, bool* quoted);
  LineInput::Result ReadQuoted(std::string* text);
  void Handle(const std::string& text);
  void Say(const std::string& prompt);
  void Generate(const std::string* prompt);
  void Show(const Answer& answer, bool written);
  void Obey(const std::string& line);
  void Fail(const std::string& what);

  void Help(const std::string&);
  void Reset(const std::string&);
  void System(const std::string& text);
  void Regenerate(const std::string&);
  void Undo(const std::string&);
  void Set(const std::string& what);
  void Info(const std::string&);
  void Edit(const std::string& text);
  void Save(const std::string& path);
  void Load(const std::string& path);
  void Quit(const std::string&);

  ChatOptions options_;
  Conversation& conversation_;
  LineInput input_;
  bool failed_ = false;  // a prompt, an answer or a command failed
  bool broken_ = false;  // stdout cannot be written: the program must end
  bool ended_ = false;
};

#endif  // CLAMMA_APPS_CHAT_CHAT_H_
