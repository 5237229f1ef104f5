// SPDX-License-Identifier: MIT
#include "terminal.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "text_output.h"

namespace terminal {
namespace {

constexpr char kPlain[] = "\x1b[0m";
constexpr char kBracketsOn[] = "\x1b[?2004h";
constexpr char kBracketsOff[] = "\x1b[?2004l";

// What signal handlers put back. Each part is written before the flag that says it counts.
termios before = {};  // QuietKeys
termios during = {};
volatile std::sig_atomic_t quiet = 0;
volatile std::sig_atomic_t brackets = 0;
const char* volatile current_style = nullptr;

// From a handler, where nothing of stdio may be called.
void WriteNow(const char* sequence) {
  if (write(STDOUT_FILENO, sequence, std::strlen(sequence)) < 0) return;  // nothing is to be done
}

void PutBack() {
  if (current_style != nullptr) WriteNow(kPlain);
  if (brackets != 0) {
    WriteNow(kPlain);  // of the line that is edited
    WriteNow(kBracketsOff);
  }
  if (quiet != 0) tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

void OnEnd(int signal) {
  PutBack();
  std::signal(signal, SIG_DFL);
  raise(signal);  // takes effect when this returns
}

void OnStop(int /*signal*/) {
  const int error = errno;
  PutBack();
  raise(SIGSTOP);
  // In the background the terminal is somebody else's.
  if (tcgetpgrp(STDIN_FILENO) == getpgrp()) {
    if (quiet != 0) tcsetattr(STDIN_FILENO, TCSADRAIN, &during);
    if (brackets != 0) WriteNow(kBracketsOn);
    if (current_style != nullptr) WriteNow(current_style);
  }
  errno = error;
}

// But where the signal is ignored, as under nohup.
void Handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) return;
  action = {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESTART);  // no write of an answer is cut short
  sigaction(signal, &action, nullptr);
}

void WriteSequence(const char* sequence) {
  std::fputs(sequence, stdout);
  std::fflush(stdout);
}

}  // namespace

bool TakesEscapes(int descriptor) {
  const char* terminal = std::getenv("TERM");
  return isatty(descriptor) != 0 && terminal != nullptr && terminal[0] != '\0' &&
         std::strcmp(terminal, "dumb") != 0;
}

bool TakesColour() {
  const char* none = std::getenv("NO_COLOR");
  return TakesEscapes(STDIN_FILENO) && TakesEscapes(STDOUT_FILENO) &&
         (none == nullptr || none[0] == '\0');
}

size_t Columns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void WatchSignals() {
  for (const int signal : {SIGTERM, SIGHUP, SIGQUIT}) Handle(signal, OnEnd);
  Handle(SIGTSTP, OnStop);
}

void BracketPastes(bool on) {
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

QuietKeys::QuietKeys() {
  if (quiet != 0 || isatty(STDIN_FILENO) == 0 || tcgetattr(STDIN_FILENO, &before) != 0) return;
  during = before;
  during.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
  quiet = 1;
  changed_ = true;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &during);
}

QuietKeys::~QuietKeys() {
  if (!changed_) return;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
  quiet = 0;
}

}  // namespace terminal
