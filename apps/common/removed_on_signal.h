// SPDX-License-Identifier: MIT
// A file that is removed when a signal ends the program. If you copy an app, copy this folder too.
#ifndef CLAMMA_APPS_COMMON_REMOVED_ON_SIGNAL_H_
#define CLAMMA_APPS_COMMON_REMOVED_ON_SIGNAL_H_

#include <csignal>
#include <string>

namespace removed_on_signal {

// After this call, Ctrl-C and similar signals remove the file that is set, if any, and end the
// program with the exit code 128 + signal.
void HandleSignals();

// Blocks these signals during its lifetime. Needed while the file is created or removed, and Set()
// is called.
class BlockSignals {
 public:
  BlockSignals();
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

 private:
  sigset_t before_;
};

// Returns whether a path is short enough for Set().
bool Fits(const std::string& path);
// Sets the file to remove; "": none. The signals must be blocked.
void Set(const std::string& path);

}  // namespace removed_on_signal

#endif  // CLAMMA_APPS_COMMON_REMOVED_ON_SIGNAL_H_
