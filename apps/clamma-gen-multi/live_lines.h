// SPDX-License-Identifier: MIT
// Lines on a terminal that are written anew in place; nothing where stderr is no terminal.
#ifndef CLAMMA_GEN_MULTI_LIVE_LINES_H_
#define CLAMMA_GEN_MULTI_LIVE_LINES_H_

#include <sys/ioctl.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

// Between calls the cursor stands at the beginning of the line below, so that the terminal is as it
// should be whenever the program ends.
class LiveLines {
 public:
  LiveLines();

  // Whether it is time to draw again.
  bool Due() const { return on_ && std::chrono::steady_clock::now() >= next_; }

  // Writes lines of ASCII over those of the last time. They are cut at the terminal's width, and
  // where they are too many for its height the last one tells how many are not shown.
  void Draw(const std::vector<std::string>& lines);

  // Removes them; to be called before anything else goes to the terminal.
  void Erase();

 private:
  void Add(const std::string& line, std::string* screen);

  const bool on_;
  winsize size_ = {};  // of the terminal when they were drawn
  size_t drawn_ = 0;   // lines there are
  std::chrono::steady_clock::time_point next_ = {};
};

#endif  // CLAMMA_GEN_MULTI_LIVE_LINES_H_
