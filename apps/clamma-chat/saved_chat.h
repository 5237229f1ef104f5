// SPDX-License-Identifier: MIT
// Chats in files: a line of JSON, which has the messages, and the session's state behind it.
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

// Both return what went wrong, "" if nothing. A file that is no saved chat is not written over; one
// that is, is replaced when all has been written. What cannot be loaded leaves `chat` as it was.
std::string SaveChat(const std::string& path, const SavedChat& chat, const txf_session* session);
std::string LoadChat(const std::string& path, SavedChat* chat, txf_session* session);

#endif  // CLAMMA_APPS_CHAT_SAVED_CHAT_H_
