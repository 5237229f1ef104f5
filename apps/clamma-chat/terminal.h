// SPDX-License-Identifier: MIT
// What a chat changes about its terminal. A signal that stops or ends the program puts it back
// first, and what was stopped changes it again when it goes on.
#ifndef CLAMMA_APPS_CHAT_TERMINAL_H_
#define CLAMMA_APPS_CHAT_TERMINAL_H_

#include <cstddef>
#include <optional>
#include <string>

namespace terminal {

// Whether stdin and stdout are terminals that take escapes (tty.h), and its user wants colours
// (https://no-color.org).
bool TakesColour();

// Columns of the terminal at stderr; 80 where it does not say.
size_t Columns();

// Asks the terminal at stdin and stdout for the cursor's column, from 0; its modes must give keys
// at once. What is typed meanwhile is appended to *typed. Nothing where it does not answer in time.
std::optional<size_t> CursorColumn(std::string* typed);

// From here on SIGTERM, SIGHUP, SIGQUIT and SIGTSTP leave the terminal as it was, and Wait() knows
// of a change of its size.
void WatchSignals();

// Whether the terminal marks the begin and the end of a paste.
void BracketPastes(bool on);

// How stdout is written from here on: an escape sequence that lives as long as the program;
// nullptr: plainly.
void SetStyle(const char* style);

// Text from a file or a user to stderr, without what would steer a terminal.
void Print(const std::string& text);

// While there is one, stdin's modes may change: its end puts them back, as a signal does. Nothing
// where stdin is no terminal; of several at a time only the first does anything.
class Modes {
 public:
  Modes();
  ~Modes();
  Modes(const Modes&) = delete;
  Modes& operator=(const Modes&) = delete;

 protected:
  bool is_first() const { return is_first_; }

 private:
  bool is_first_ = false;
};

// While there is one, keys that are typed are not shown, and are kept for the next line; Ctrl-C
// still interrupts.
class QuietKeys : private Modes {
 public:
  QuietKeys();
};

enum class Event { kInput, kInterrupt, kResized, kContinued };

// Waits for what comes next to stdin, whose modes are those to go on with after a stop: input, or
// its end; Ctrl-C, by `interrupted`; another size of the terminal; or that the program goes on.
// What came before the call counts, too.
Event Wait();

}  // namespace terminal

#endif  // CLAMMA_APPS_CHAT_TERMINAL_H_
