// SPDX-License-Identifier: MIT
// What apps need that draw on a terminal. Copy this folder with the app that you start from.
#ifndef CLAMMA_APPS_COMMON_TTY_H_
#define CLAMMA_APPS_COMMON_TTY_H_

namespace tty {

// Whether this file is a terminal that knows more than lines: $TERM is set, and not to "dumb".
bool TakesEscapes(int descriptor);

// Has the handler called at a signal, unless the signal is ignored, as under nohup. Calls of the
// system that it interrupts go on behind it: no write is cut short.
void HandleUnlessIgnored(int signal, void (*handler)(int));

}  // namespace tty

#endif  // CLAMMA_APPS_COMMON_TTY_H_
