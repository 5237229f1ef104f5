// SPDX-License-Identifier: MIT
// What Tab adds to a command.
#ifndef CLAMMA_APPS_CHAT_COMPLETION_H_
#define CLAMMA_APPS_CHAT_COMPLETION_H_

#include <string>
#include <vector>

struct Completion {
  std::string added;                 // what all that the text may become have in common
  std::vector<std::string> choices;  // ... and what these are
};

// Of `text`, which begins with a slash: a command of the list, or behind one that ends in a space
// there a file.
Completion CompleteCommand(const std::string& text, const std::vector<std::string>& commands);

// A leading ~ as the home folder.
std::string ExpandHome(const std::string& path);

#endif  // CLAMMA_APPS_CHAT_COMPLETION_H_
