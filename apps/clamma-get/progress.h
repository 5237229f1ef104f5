// SPDX-License-Identifier: MIT
// Shows the progress of a download: a bar on a terminal, otherwise an occasional line.
#ifndef CLAMMA_APPS_CLAMMA_GET_PROGRESS_H_
#define CLAMMA_APPS_CLAMMA_GET_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace get {

class Progress {
 public:
  // `total` bytes (0: unknown), of which `done` are there already.
  Progress(std::string what, uint64_t total, uint64_t done, bool quiet);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { End(); }

  void Show(uint64_t done);
  void End();  // ends the line, so that other output can follow

 private:
  using Clock = std::chrono::steady_clock;

  std::string Figures(uint64_t done) const;
  void Draw(uint64_t done);

  const std::string what_;
  const uint64_t total_;
  const bool quiet_, terminal_;
  uint64_t last_done_;       // bytes when the rate was measured
  double rate_ = 0;          // bytes per second, over the last seconds; 0: unknown
  Clock::time_point last_;   // when the rate was measured
  Clock::time_point shown_;  // when a line was last written
  uint64_t newest_;
  bool drawn_ = false;
};

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_PROGRESS_H_
