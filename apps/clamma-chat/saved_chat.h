// SPDX-License-Identifier: MIT
// Saves and loads chats. A file has a line of JSON with the messages, followed by the session's
// state.
#ifndef CLAMMA_APPS_CHAT_SAVED_CHAT_H_
#define CLAMMA_APPS_CHAT_SAVED_CHAT_H_

#include <clamma-extra.h>

#include <string>
#include <vector>

#include "conversation.h"

struct SavedChat {
  std::string system;
  std::vector<Message> messages;
};

// Both return the reason of a failure, else "". A saved chat is replaced once everything is
// written; a file that is not a saved chat is not overwritten. If loading fails, `chat` is
// unchanged.
std::string SaveChat(const std::string& path, const SavedChat& chat, const txf_session* session);
std::string LoadChat(const std::string& path, SavedChat* chat, txf_session* session);

#endif  // CLAMMA_APPS_CHAT_SAVED_CHAT_H_
