// SPDX-License-Identifier: MIT
// The program's messages to stderr, which never appear inside an answer.
#ifndef CLAMMA_APPS_CHAT_NOTICES_H_
#define CLAMMA_APPS_CHAT_NOTICES_H_

#include <string>

// Prints a message on a line of its own, after the program's name.
void Tell(const std::string& what);

// Holds messages back during its lifetime.
class HeldNotices {
 public:
  HeldNotices();
  ~HeldNotices();
  HeldNotices(const HeldNotices&) = delete;
  HeldNotices& operator=(const HeldNotices&) = delete;

  static void Drop();  // drops the messages that are held back
};

#endif  // CLAMMA_APPS_CHAT_NOTICES_H_
