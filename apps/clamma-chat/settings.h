// SPDX-License-Identifier: MIT
// Sampling options that the user sets by name in a conversation.
#ifndef CLAMMA_APPS_CHAT_SETTINGS_H_
#define CLAMMA_APPS_CHAT_SETTINGS_H_

#include <string>

#include "options.h"

// Lists all options, one line each: name and value.
std::string ListSettings(const options::Sampling& sampling);

// Sets an option, named without its dashes. Returns "" or the reason of a failure.
std::string SetByName(const std::string& name, const std::string& value,
                      options::Sampling* sampling);

#endif  // CLAMMA_APPS_CHAT_SETTINGS_H_
