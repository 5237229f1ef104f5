// SPDX-License-Identifier: MIT
// What the program says of itself, to stderr: never inside an answer.
#ifndef CLAMMA_APPS_CHAT_NOTICES_H_
#define CLAMMA_APPS_CHAT_NOTICES_H_

#include <string>

// On a line of its own, behind the program's name.
void Tell(const std::string& what);

// While there is one, what is told waits for its end.
class HeldNotices {
 public:
  HeldNotices();
  ~HeldNotices();
  HeldNotices(const HeldNotices&) = delete;
  HeldNotices& operator=(const HeldNotices&) = delete;

  static void Drop();  // what waits is not told
};

#endif  // CLAMMA_APPS_CHAT_NOTICES_H_
