// SPDX-License-Identifier: MIT
// The exit codes of clamma-get, and the exception that carries one.
#ifndef CLAMMA_APPS_CLAMMA_GET_FAILURE_H_
#define CLAMMA_APPS_CLAMMA_GET_FAILURE_H_

#include <csignal>
#include <stdexcept>
#include <string>
#include <string_view>

namespace get {

enum ExitCode {
  kExitHere = 1,       // the folder, its disk, or another process
  kExitUsage = 2,      // the command line, or no such model
  kExitNetwork = 3,    // the server refused, or the connection failed
  kExitWrongFile = 4,  // the downloaded data is not the requested file
  kExitInterrupted = 130
};

class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& why) : std::runtime_error(why), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// Set by Ctrl-C and SIGTERM.
inline volatile std::sig_atomic_t interrupted = 0;

inline void ThrowIfInterrupted() {
  if (interrupted != 0) throw Failure(kExitInterrupted, "interrupted");
}

// The printable ASCII characters of a server's text, at most `max`, for messages.
inline std::string Shown(std::string_view text, size_t max = 200) {
  std::string shown;
  for (const char c : text.substr(0, max)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown;
}

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_FAILURE_H_
