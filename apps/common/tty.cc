// SPDX-License-Identifier: MIT
#include "tty.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

namespace tty {

bool TakesEscapes(int descriptor) {
  const char* terminal = std::getenv("TERM");
  return isatty(descriptor) != 0 && terminal != nullptr && terminal[0] != '\0' &&
         std::strcmp(terminal, "dumb") != 0;
}

void HandleUnlessIgnored(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) return;
  action = {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESTART);
  sigaction(signal, &action, nullptr);
}

}  // namespace tty
