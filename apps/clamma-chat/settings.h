// SPDX-License-Identifier: MIT
// How tokens are chosen, as a user sets it by name in a conversation.
#ifndef CLAMMA_APPS_CHAT_SETTINGS_H_
#define CLAMMA_APPS_CHAT_SETTINGS_H_

#include <string>

#include "options.h"

// All of them, a line each: the name and the value.
std::string ListSettings(const options::Sampling& sampling);

// Sets the one that is named as the option without its dashes. Returns "" or what is wrong.
std::string SetByName(const std::string& name, const std::string& value,
                      options::Sampling* sampling);

#endif  // CLAMMA_APPS_CHAT_SETTINGS_H_
