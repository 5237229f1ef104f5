// SPDX-License-Identifier: MIT
#include "process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "listener.h"

namespace web {
namespace {

constexpr rlim_t kOtherDescriptors = 64;  // in addition to connections

int signal_pipe[2] = {-1, -1};

void Tell(char what) {
  const int saved = errno;
  const ssize_t written = write(signal_pipe[1], &what, 1);
  static_cast<void>(written);  // a full pipe is readable, too
  errno = saved;
}

// The first signal asks the server to end; a second one ends the program at once.
void OnEnd(int) {
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  Tell('e');
}

void OnReload(int) { Tell('h'); }

}  // namespace

std::string HandleSignals(bool reload, int* fd) {
  if (pipe(signal_pipe) != 0 || !SetUp(signal_pipe[0]) || !SetUp(signal_pipe[1])) {
    return std::string("pipe: ") + std::strerror(errno);
  }
  std::signal(SIGPIPE, SIG_IGN);  // a closed connection makes writing fail
  struct sigaction action = {};
  action.sa_handler = OnEnd;
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  if (reload) {
    action.sa_handler = OnReload;
    sigaction(SIGHUP, &action, nullptr);
  }
  *fd = signal_pipe[0];
  return "";
}

bool HaveDescriptors(size_t connections) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return true;
  const rlim_t wanted = connections + kOtherDescriptors;
  if (limit.rlim_cur >= wanted) return true;
  if (limit.rlim_max < wanted) return false;
  limit.rlim_cur = wanted;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace web
