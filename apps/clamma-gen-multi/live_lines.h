// SPDX-License-Identifier: MIT
// Lines that are updated in place if stderr is a terminal; otherwise nothing is written.
#ifndef CLAMMA_GEN_MULTI_LIVE_LINES_H_
#define CLAMMA_GEN_MULTI_LIVE_LINES_H_

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

// Between calls the cursor is at the beginning of the first line, so that a terminal that is
// resized, and may rewrap the lines, keeps it there. Call Keep() or Erase() before writing anything
// else to the terminal. A signal that ends or stops the program erases the lines.
class LiveLines {
 public:
  LiveLines();

  // Whether it is time to draw again.
  bool Due() const { return on_ && std::chrono::steady_clock::now() >= next_; }

  // Writes ASCII lines over the previous ones. They are cut off at the terminal's width; if there
  // are too many for its height, the last line shows how many are missing.
  void Draw(const std::vector<std::string>& lines);

  // Leaves the lines on the screen: further output goes below them.
  void Keep();

  // Removes the lines.
  void Erase();

  // A signal handler: removes the lines, and ends the program with that signal.
  static void EndBySignal(int signal);

 private:
  const bool on_;
  size_t drawn_ = 0;  // lines on the screen
  std::chrono::steady_clock::time_point next_ = {};
};

#endif  // CLAMMA_GEN_MULTI_LIVE_LINES_H_
