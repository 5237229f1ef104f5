// SPDX-License-Identifier: MIT
// Functions for apps that draw on a terminal. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_TTY_H_
#define CLAMMA_APPS_COMMON_TTY_H_

namespace tty {

// Returns whether this file is a terminal with cursor control: $TERM is set, and not "dumb".
bool TakesEscapes(int descriptor);

// Installs a signal handler, unless the signal is ignored, as under nohup. System calls that it
// interrupts are restarted, so that no write is cut short.
void HandleUnlessIgnored(int signal, void (*handler)(int));

}  // namespace tty

#endif  // CLAMMA_APPS_COMMON_TTY_H_
