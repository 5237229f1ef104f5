// SPDX-License-Identifier: MIT
#include "progress.h"

#include <unistd.h>

#include <cstdio>

namespace bench {

Progress::Progress(bool quiet) : on_(!quiet && isatty(STDERR_FILENO) != 0) {}

void Progress::Show(double share, const std::string& what) {
  if (!on_) return;
  std::fprintf(stderr, "\r\033[K%3.0f%%  %s", share * 100, what.c_str());
  shown_ = true;
}

void Progress::Clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

}  // namespace bench
