// SPDX-License-Identifier: MIT
// Changes to the terminal during a chat. A signal that stops or ends the program undoes them first;
// a stopped program makes them again when it continues.
#ifndef CLAMMA_APPS_CHAT_TERMINAL_H_
#define CLAMMA_APPS_CHAT_TERMINAL_H_

#include <cstddef>
#include <optional>
#include <string>

namespace terminal {

// Whether stdin and stdout are terminals that accept escape sequences (tty.h), and the user wants
// colours (https://no-color.org).
bool TakesColour();

// The columns and rows of the terminal at stderr; 80 and 24 if unknown.
size_t Columns();
size_t Rows();

// Asks the terminal at stdin and stdout for the cursor's column, from 0; its modes must deliver
// keys at once. Keys that are typed meanwhile are appended to *typed. Returns no value if the
// terminal does not answer in time.
std::optional<size_t> CursorColumn(std::string* typed);

// From here on SIGTERM, SIGHUP, SIGQUIT and SIGTSTP restore the terminal, and Wait() reports
// changes of its size.
void WatchSignals();

// Sets whether the terminal marks the beginning and the end of a paste.
void BracketPastes(bool on);

// Sets the style of stdout: an escape sequence that stays valid until the program ends; nullptr:
// plain.
void SetStyle(const char* style);

// Prints text from a file or a user to stderr, without terminal control characters.
void Print(const std::string& text);

// Restores stdin's modes at the end of its lifetime, and before a signal ends or stops the program.
// Does nothing if stdin is not a terminal; of several at a time only the first has an effect.
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

// During its lifetime typed keys are not shown, and are kept for the next line; Ctrl-C still
// interrupts.
class QuietKeys : private Modes {
 public:
  QuietKeys();
};

enum class Event { kInput, kInterrupt, kResized, kContinued };

// Waits for the next event: input at stdin, or its end; Ctrl-C, which sets `interrupted`; a change
// of the terminal's size; or that the program continues after a stop, with stdin's modes as they
// are at the call. Events before the call count as well.
Event Wait();

}  // namespace terminal

#endif  // CLAMMA_APPS_CHAT_TERMINAL_H_
