// SPDX-License-Identifier: MIT
// The listening socket. It is ours and not libwebsockets', so that a failure has a reason that
// users can read, and every connection is counted before it costs anything.
#ifndef CLAMMA_WS_DEMO_LISTENER_H_
#define CLAMMA_WS_DEMO_LISTENER_H_

#include <optional>
#include <string>
#include <utility>

#include "origins.h"

namespace demo {

// Makes a descriptor neither block nor stay open in another program. False where it cannot.
bool SetUp(int fd);

// An open connection. The descriptor is the taker's to close.
struct Accepted {
  int fd = -1;
  std::string peer;  // its address, for counting: the network (/64) with IPv6
  bool peer_loopback = false;
  LocalAddress local;
};

class Listener {
 public:
  Listener() = default;
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Listens at a numeric address or a name of this machine; port 0: any that is free. Returns "",
  // or the reason why not.
  std::string Open(const std::string& address, unsigned port);

  // Where it is reached, without a trailing slash.
  const std::string& url() const { return url_; }
  int fd() const { return fd_; }
  // Hands the descriptor, which is not blocking, to the caller, to close.
  int Release() { return std::exchange(fd_, -1); }

  // The next connection waiting at a listening socket; none: nobody waits.
  static std::optional<Accepted> Accept(int fd);

 private:
  int fd_ = -1;
  std::string url_;
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_LISTENER_H_
