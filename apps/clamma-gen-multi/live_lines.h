// SPDX-License-Identifier: MIT
// Lines on a terminal that are written anew in place; nothing where stderr is no terminal.
#ifndef CLAMMA_GEN_MULTI_LIVE_LINES_H_
#define CLAMMA_GEN_MULTI_LIVE_LINES_H_

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

// Between calls the cursor stands at the beginning of the first of them, so that a terminal of
// another size, which may break them anew, keeps it there. Keep() or Erase() must be called before
// anything else goes to the terminal; a signal that ends or stops the program erases them.
class LiveLines {
 public:
  LiveLines();

  // Whether it is time to draw again.
  bool Due() const { return on_ && std::chrono::steady_clock::now() >= next_; }

  // Writes lines of ASCII over those of the last time. They are cut at the terminal's width, and
  // where they are too many for its height the last one tells how many are not shown.
  void Draw(const std::vector<std::string>& lines);

  // Leaves them where they are: what comes next goes below.
  void Keep();

  // Removes them.
  void Erase();

  // A signal handler: removes them, and ends the program by that signal.
  static void EndBySignal(int signal);

 private:
  const bool on_;
  size_t drawn_ = 0;  // lines there are
  std::chrono::steady_clock::time_point next_ = {};
};

#endif  // CLAMMA_GEN_MULTI_LIVE_LINES_H_
