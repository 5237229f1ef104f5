// SPDX-License-Identifier: MIT
#include "terminal.h"

#include <sys/ioctl.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "text_generation.h"
#include "text_output.h"
#include "tty.h"

namespace terminal {
namespace {

constexpr char kPlain[] = "\x1b[0m";
constexpr char kBracketsOn[] = "\x1b[?2004h";
constexpr char kBracketsOff[] = "\x1b[?2004l";

// The state that signal handlers restore, and set again. Each part is written before its flag.
termios before = {};
termios during = {};
volatile std::sig_atomic_t changes = 0;  // there are Modes
volatile std::sig_atomic_t knows_during = 0;
volatile std::sig_atomic_t brackets = 0;
const char* volatile current_style = nullptr;

// Events for Wait().
volatile std::sig_atomic_t resized = 0;
volatile std::sig_atomic_t continued = 0;

// For signal handlers, in which stdio must not be used.
void WriteNow(const char* sequence) {
  if (write(STDOUT_FILENO, sequence, std::strlen(sequence)) < 0)
    return;  // a handler can do nothing about it
}

void PutBack() {
  if (brackets != 0) WriteNow(kBracketsOff);
  // The style of an answer, or of a line that is edited.
  if (brackets != 0 || current_style != nullptr) WriteNow(kPlain);
  if (changes != 0) tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

void OnEnd(int signal) {
  PutBack();
  std::signal(signal, SIG_DFL);
  raise(signal);  // takes effect when this handler returns
}

void OnStop(int /*signal*/) {
  const int error = errno;
  PutBack();
  raise(SIGSTOP);
  errno = error;
}

void OnContinue(int /*signal*/) {
  const int error = errno;
  // In the background another process uses the terminal.
  if (tcgetpgrp(STDIN_FILENO) == getpgrp()) {
    if (changes != 0 && knows_during != 0) tcsetattr(STDIN_FILENO, TCSADRAIN, &during);
    if (brackets != 0) WriteNow(kBracketsOn);
    if (current_style != nullptr) WriteNow(current_style);
  }
  continued = 1;
  errno = error;
}

void WriteSequence(const char* sequence) {
  std::fputs(sequence, stdout);
  std::fflush(stdout);
}

// The column in a report of the cursor's position, ESC [ row ; column R, from 1 on; 0: not a
// report.
unsigned ColumnOf(const char* report) {
  char* end = nullptr;
  std::strtoul(report + 2, &end, 10);
  if (end == report + 2 || *end != ';') return 0;
  const char* const digits = end + 1;
  const unsigned long column = std::strtoul(digits, &end, 10);  // NOLINT: what it returns
  return end != digits && std::strcmp(end, "R") == 0 && column < 100000
             ? static_cast<unsigned>(column)
             : 0;
}

}  // namespace

bool TakesColour() {
  const char* none = std::getenv("NO_COLOR");
  return tty::TakesEscapes(STDIN_FILENO) && tty::TakesEscapes(STDOUT_FILENO) &&
         (none == nullptr || none[0] == '\0');
}

size_t Columns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

size_t Rows() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

std::optional<size_t> CursorColumn(std::string* typed) {
  constexpr auto kPatience = std::chrono::seconds(1);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  WriteSequence("\x1b[6n");
  std::string bytes;
  while (std::chrono::steady_clock::now() < end) {
    fd_set input;
    FD_ZERO(&input);
    FD_SET(STDIN_FILENO, &input);
    const timespec wait = {0, 100000000};
    char byte = 0;
    if (pselect(STDIN_FILENO + 1, &input, nullptr, nullptr, &wait, nullptr) <= 0) continue;
    if (read(STDIN_FILENO, &byte, 1) != 1) break;
    bytes += byte;
    const size_t begin = bytes.rfind("\x1b[");
    if (begin == std::string::npos || byte != 'R') continue;
    const unsigned column = ColumnOf(bytes.c_str() + begin);
    if (column > 0) {
      *typed += bytes.substr(0, begin);
      return column - 1;
    }
  }
  *typed += bytes;
  return std::nullopt;
}

void WatchSignals() {
  for (const int signal : {SIGTERM, SIGHUP, SIGQUIT}) tty::HandleUnlessIgnored(signal, OnEnd);
  tty::HandleUnlessIgnored(SIGTSTP, OnStop);
  tty::HandleUnlessIgnored(SIGCONT, OnContinue);
  tty::HandleUnlessIgnored(SIGWINCH, [](int) { resized = 1; });
}

void BracketPastes(bool on) {
  if (!on && brackets == 0) return;
  if (on) brackets = 1;
  WriteSequence(on ? kBracketsOn : kBracketsOff);
  if (!on) brackets = 0;
}

void SetStyle(const char* style) {
  if (style == current_style) return;
  current_style = style;
  WriteSequence(style != nullptr ? style : kPlain);
}

void Print(const std::string& text) { TextOutput(stderr).Write(text.c_str()); }

Modes::Modes() {
  if (changes != 0 || isatty(STDIN_FILENO) == 0 || tcgetattr(STDIN_FILENO, &before) != 0) return;
  is_first_ = true;
  knows_during = 0;
  changes = 1;
}

Modes::~Modes() {
  if (!is_first_) return;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
  changes = 0;
}

QuietKeys::QuietKeys() {
  if (!is_first()) return;
  during = before;
  during.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
  during.c_lflag |= NOFLSH;  // Ctrl-C and Ctrl-Z keep what was typed before them
  knows_during = 1;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &during);
}

Event Wait() {
  // Block signals between checking the flags and waiting.
  sigset_t held;
  sigset_t mask;
  sigemptyset(&held);
  for (const int signal : {SIGINT, SIGWINCH, SIGTSTP, SIGCONT}) sigaddset(&held, signal);
  sigprocmask(SIG_BLOCK, &held, &mask);
  if (changes != 0 && tcgetattr(STDIN_FILENO, &during) == 0) knows_during = 1;
  int ready = -1;
  while (interrupted == 0 && resized == 0 && continued == 0 && ready < 0) {
    fd_set input;
    FD_ZERO(&input);
    FD_SET(STDIN_FILENO, &input);
    ready = pselect(STDIN_FILENO + 1, &input, nullptr, nullptr, nullptr, &mask);
    if (ready < 0 && errno != EINTR) break;  // the read reports the error
  }
  const Event event = interrupted != 0 ? Event::kInterrupt
                      : resized != 0   ? Event::kResized
                      : continued != 0 ? Event::kContinued
                                       : Event::kInput;
  if (event == Event::kResized) resized = 0;
  if (event == Event::kContinued) continued = 0;
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  return event;
}

}  // namespace terminal
