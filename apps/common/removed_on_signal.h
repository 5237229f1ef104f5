// SPDX-License-Identifier: MIT
// A file that is removed when a signal ends the program. Copy this folder with the app that you
// start from.
#ifndef CLAMMA_APPS_COMMON_REMOVED_ON_SIGNAL_H_
#define CLAMMA_APPS_COMMON_REMOVED_ON_SIGNAL_H_

#include <csignal>
#include <string>

namespace removed_on_signal {

// From here on Ctrl-C and its like remove the file that is set, if there is one, and end the
// program with the exit code 128 + signal.
void HandleSignals();

// While there is one, these signals wait: to be there while the file is created or removed, and
// set.
class BlockSignals {
 public:
  BlockSignals();
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

 private:
  sigset_t before_;
};

// Whether a path is short enough for Set().
bool Fits(const std::string& path);
// With the signals blocked. "": there is no file any more.
void Set(const std::string& path);

}  // namespace removed_on_signal

#endif  // CLAMMA_APPS_COMMON_REMOVED_ON_SIGNAL_H_
