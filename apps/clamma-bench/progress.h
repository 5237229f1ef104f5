// SPDX-License-Identifier: MIT
// A line with the progress, if stderr is a terminal; otherwise nothing is written.
#ifndef CLAMMA_BENCH_PROGRESS_H_
#define CLAMMA_BENCH_PROGRESS_H_

#include <string>

namespace bench {

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Show(double share, const std::string& what);  // share: 0 .. 1
  void Clear();                                      // call it before writing anything else

 private:
  const bool on_;
  bool shown_ = false;
};

}  // namespace bench

#endif  // CLAMMA_BENCH_PROGRESS_H_
