// SPDX-License-Identifier: MIT
// A text that the user's own editor changes.
#ifndef CLAMMA_APPS_CHAT_EDITOR_H_
#define CLAMMA_APPS_CHAT_EDITOR_H_

#include <string>

// Opens $VISUAL, else $EDITOR, else vi with `text`, waits for its end, and gives what it has saved.
// Returns "" or what is wrong.
std::string EditText(const std::string& text, std::string* edited);

#endif  // CLAMMA_APPS_CHAT_EDITOR_H_
