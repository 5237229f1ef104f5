// SPDX-License-Identifier: MIT
// The listening socket. This program opens it, not libwebsockets, so that a failure has a readable
// reason, and every connection is counted before it takes resources.
#ifndef CLAMMA_APPS_WEB_LISTENER_H_
#define CLAMMA_APPS_WEB_LISTENER_H_

#include <optional>
#include <string>
#include <utility>

#include "origins.h"

namespace web {

// Makes a descriptor non-blocking and close-on-exec. Returns false on failure.
bool SetUp(int fd);

// An open connection. The receiver must close the descriptor.
struct Accepted {
  int fd = -1;
  std::string peer;  // the address for counting: with IPv6 the /64 network
  bool peer_loopback = false;
  LocalAddress local;
};

class Listener {
 public:
  Listener() = default;
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Listens on a numeric address or a name of this machine; port 0: any free port. Returns "" or
  // the reason of a failure.
  std::string Open(const std::string& address, unsigned port);
  // Listens on a Unix socket that its owner and group can use. A socket there on which nobody
  // listens is replaced, anything else is not.
  std::string OpenUnix(const std::string& path);
  // Takes over a socket that already listens, as systemd passes it.
  std::string Inherit(int fd);

  // Whether other machines can reach it.
  bool is_public() const { return is_public_; }

  // The address of the server, without a trailing slash: http://127.0.0.1:8080 or unix:PATH.
  const std::string& url() const { return url_; }
  int fd() const { return fd_; }
  // Passes the non-blocking descriptor to the caller, who must close it.
  int Release() { return std::exchange(fd_, -1); }

  // Accepts the next connection of a listening socket; no value: none is waiting.
  static std::optional<Accepted> Accept(int fd);

 private:
  std::string Describe();  // sets url_ and is_public_

  int fd_ = -1;
  bool is_public_ = false;
  std::string url_;
};

// The number of sockets that systemd passes to this process, from descriptor kFirstInherited on.
inline constexpr int kFirstInherited = 3;
int CountInherited();

}  // namespace web

#endif  // CLAMMA_APPS_WEB_LISTENER_H_
