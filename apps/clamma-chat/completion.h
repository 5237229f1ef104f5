// SPDX-License-Identifier: MIT
// Completes commands with Tab.
#ifndef CLAMMA_APPS_CHAT_COMPLETION_H_
#define CLAMMA_APPS_CHAT_COMPLETION_H_

#include <string>
#include <vector>

struct Completion {
  std::string added;                 // the text to add: common to all choices
  std::vector<std::string> choices;  // the possible completions
};

// Completes `text`, which begins with a slash: to a command of the list or, after a command that
// ends in a space in the list, to a file name.
Completion CompleteCommand(const std::string& text, const std::vector<std::string>& commands);

// Replaces a leading ~ by the home folder.
std::string ExpandHome(const std::string& path);

#endif  // CLAMMA_APPS_CHAT_COMPLETION_H_
