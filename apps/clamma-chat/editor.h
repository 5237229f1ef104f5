// SPDX-License-Identifier: MIT
// Lets the user edit a text in an editor.
#ifndef CLAMMA_APPS_CHAT_EDITOR_H_
#define CLAMMA_APPS_CHAT_EDITOR_H_

#include <string>

// Opens $VISUAL, else $EDITOR, else vi with `text`, waits until it ends, and sets *edited to the
// saved text. Returns "" or the reason of a failure.
std::string EditText(const std::string& text, std::string* edited);

#endif  // CLAMMA_APPS_CHAT_EDITOR_H_
