// SPDX-License-Identifier: MIT
#include "live_lines.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

constexpr std::chrono::milliseconds kPause(200);

// Whether stderr is a terminal whose cursor can be moved.
bool IsTerminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && kind != nullptr && *kind != '\0' &&
         std::string_view(kind) != "dumb";
}

winsize TerminalSize() {
  winsize size = {};
  ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  if (size.ws_row == 0) size.ws_row = 24;  // not known
  if (size.ws_col == 0) size.ws_col = 80;
  return size;
}

std::string Up(size_t lines) { return lines == 0 ? "" : "\033[" + std::to_string(lines) + "A"; }

}  // namespace

LiveLines::LiveLines() : on_(IsTerminal()) {}

void LiveLines::Draw(const std::vector<std::string>& lines) {
  if (!on_) return;
  const winsize size = TerminalSize();
  // In another size the terminal may have broken the lines: how far up they begin is not known, so
  // new ones go below.
  if (size.ws_row != size_.ws_row || size.ws_col != size_.ws_col) drawn_ = 0;
  size_ = size;
  std::string screen = Up(drawn_) + "\r";
  drawn_ = 0;
  const size_t room = size.ws_row - 1U;  // the last row is the cursor's
  const size_t whole = lines.size() <= room ? lines.size() : room - (room > 0 ? 1 : 0);
  for (size_t i = 0; i < whole; ++i) Add(lines[i], &screen);
  if (whole < room && whole < lines.size()) {
    Add("... and " + std::to_string(lines.size() - whole) + " more", &screen);
  }
  screen += "\033[J";  // what was typed, too
  std::fputs(screen.c_str(), stderr);
  next_ = std::chrono::steady_clock::now() + kPause;
}

void LiveLines::Erase() {
  if (drawn_ > 0) std::fprintf(stderr, "%s\r\033[J", Up(drawn_).c_str());
  drawn_ = 0;
}

void LiveLines::Add(const std::string& line, std::string* screen) {
  // One column stays free: behind the last one some terminals go to the next row at once.
  *screen += line.substr(0, size_.ws_col - 1U) + "\033[K\n";
  ++drawn_;
}
