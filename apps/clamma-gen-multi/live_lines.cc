// SPDX-License-Identifier: MIT
#include "live_lines.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tty.h"

namespace {

constexpr std::chrono::milliseconds kPause(200);

winsize TerminalSize() {
  winsize size = {};
  ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  if (size.ws_row == 0) size.ws_row = 24;  // unknown
  if (size.ws_col == 0) size.ws_col = 80;
  return size;
}

// Signals that end or stop the program find the cursor at the first line, and erase from there on.
volatile std::sig_atomic_t lines_are_there = 0;

void EraseFromHandler() {
  if (lines_are_there == 0) return;
  constexpr std::string_view kErase = "\r\033[J";
  if (write(STDERR_FILENO, kErase.data(), kErase.size()) < 0)
    return;  // a handler can do nothing about it
}

void OnStop(int /*signal*/) {
  const int error = errno;
  EraseFromHandler();
  raise(SIGSTOP);
  errno = error;
}

}  // namespace

LiveLines::LiveLines() : on_(tty::TakesEscapes(STDERR_FILENO)) {
  if (!on_) return;
  for (const int signal : {SIGTERM, SIGHUP, SIGQUIT}) tty::HandleUnlessIgnored(signal, EndBySignal);
  tty::HandleUnlessIgnored(SIGTSTP, OnStop);
}

void LiveLines::Draw(const std::vector<std::string>& lines) {
  if (!on_) return;
  const winsize size = TerminalSize();
  std::string screen = "\r";
  size_t drawn = 0;
  const auto add = [&](const std::string& line) {
    // One column stays free, because some terminals wrap as soon as the last one is written.
    screen += line.substr(0, size.ws_col - 1U) + "\033[K\n";
    ++drawn;
  };
  const size_t room = size.ws_row - 1U;  // the last row is for the cursor
  const size_t whole = lines.size() <= room ? lines.size() : room - (room > 0 ? 1 : 0);
  for (size_t i = 0; i < whole; ++i) add(lines[i]);
  if (whole < room && whole < lines.size()) {
    add("... and " + std::to_string(lines.size() - whole) + " more");
  }
  screen += "\033[J";  // erase typed text, and remains of rewrapped lines
  // Back to the first line: when a terminal rewraps lines for another size, the cursor stays with
  // the text at its position.
  if (drawn > 0) screen += "\033[" + std::to_string(drawn) + "A";
  lines_are_there = 1;
  std::fputs(screen.c_str(), stderr);
  drawn_ = drawn;
  next_ = std::chrono::steady_clock::now() + kPause;
}

void LiveLines::Keep() {
  if (drawn_ > 0) std::fputs(std::string(drawn_, '\n').c_str(), stderr);
  drawn_ = 0;
  lines_are_there = 0;
}

void LiveLines::Erase() {
  if (drawn_ > 0) std::fputs("\r\033[J", stderr);
  drawn_ = 0;
  lines_are_there = 0;
}

void LiveLines::EndBySignal(int signal) {
  EraseFromHandler();
  std::signal(signal, SIG_DFL);
  raise(signal);  // takes effect when this handler returns
}
