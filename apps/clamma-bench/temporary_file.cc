// SPDX-License-Identifier: MIT
#include "temporary_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace bench {
namespace {

// What the signal handler removes; "": nothing. Written only while the signals are blocked.
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

class BlockSignals {
 public:
  BlockSignals() {
    const sigset_t set = SignalSet();
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

 private:
  sigset_t before_;
};

std::string TemporaryTemplate() {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder == nullptr || *folder == '\0' ? "/tmp" : folder) +
         "/clamma-bench.XXXXXX";
}

}  // namespace

void HandleSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_mask = SignalSet();
  for (const int signal : kSignals) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);  // nohup stays nohup
  }
}

int TemporaryFile::Create(const std::string& path) {
  const BlockSignals block;
  path_ = path.empty() ? TemporaryTemplate() : path;
  if (path_.size() >= sizeof(file_to_remove)) {
    path_.clear();
    errno = ENAMETOOLONG;
    return -1;
  }
  const int fd = path.empty() ? mkstemp(path_.data())
                              : open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  struct stat facts = {};
  int error = fd < 0 || fstat(fd, &facts) != 0 ? errno : 0;
  if (error == 0 && !S_ISREG(facts.st_mode)) error = EINVAL;  // devices are not ours to remove
  if (error != 0) {
    if (fd >= 0) close(fd);
    path_.clear();
    errno = error;
    return -1;
  }
  std::memcpy(file_to_remove, path_.c_str(), path_.size() + 1);
  return fd;
}

void TemporaryFile::Keep() {
  const BlockSignals block;
  file_to_remove[0] = '\0';
  path_.clear();
}

void TemporaryFile::Remove() {
  const BlockSignals block;
  if (!path_.empty()) unlink(path_.c_str());
  file_to_remove[0] = '\0';
  path_.clear();
}

}  // namespace bench
