// SPDX-License-Identifier: MIT
// What a chat changes about its terminal. A signal that stops or ends the program puts it back
// first, and what was stopped changes it again when it goes on.
#ifndef CLAMMA_APPS_CHAT_TERMINAL_H_
#define CLAMMA_APPS_CHAT_TERMINAL_H_

#include <cstddef>
#include <string>

namespace terminal {

// Whether this file is a terminal that knows more than lines: $TERM is set, and not to "dumb".
bool TakesEscapes(int descriptor);

// Whether stdin and stdout are such a terminal, and its user wants colours (https://no-color.org).
bool TakesColour();

// Columns of the terminal at stderr; 80 where it does not say.
size_t Columns();

// From here on SIGTERM, SIGHUP, SIGQUIT and SIGTSTP leave the terminal as it was.
void WatchSignals();

// Whether the terminal marks the begin and the end of a paste.
void BracketPastes(bool on);

// How stdout is written from here on: an escape sequence that lives as long as the program;
// nullptr: plainly.
void SetStyle(const char* style);

// Text from a file or a user to stderr, without what would steer a terminal.
void Print(const std::string& text);

// While there is one, keys that are typed are not shown, and are kept for the next line; Ctrl-C
// still interrupts. Nothing where stdin is no terminal; at most one at a time changes it.
class QuietKeys {
 public:
  QuietKeys();
  ~QuietKeys();
  QuietKeys(const QuietKeys&) = delete;
  QuietKeys& operator=(const QuietKeys&) = delete;

 private:
  bool changed_ = false;
};

}  // namespace terminal

#endif  // CLAMMA_APPS_CHAT_TERMINAL_H_
