// SPDX-License-Identifier: MIT
#include "removed_on_signal.h"

#include <unistd.h>

#include <climits>
#include <cstring>

namespace removed_on_signal {
namespace {

// The file that the signal handler removes; "": none. Written only while the signals are blocked.
char file_to_remove[PATH_MAX] = "";

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

void OnSignal(int signal) {
  if (file_to_remove[0] != '\0') unlink(file_to_remove);
  if (isatty(STDERR_FILENO) != 0 && write(STDERR_FILENO, "\n", 1) < 0) _exit(128 + signal);
  _exit(128 + signal);
}

sigset_t SignalSet() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kSignals) sigaddset(&set, signal);
  return set;
}

}  // namespace

BlockSignals::BlockSignals() {
  const sigset_t set = SignalSet();
  pthread_sigmask(SIG_BLOCK, &set, &before_);
}

void HandleSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_mask = SignalSet();
  for (const int signal : kSignals) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);  // keeps nohup working
  }
}

bool Fits(const std::string& path) { return path.size() < sizeof(file_to_remove); }

void Set(const std::string& path) { std::memcpy(file_to_remove, path.c_str(), path.size() + 1); }

}  // namespace removed_on_signal
