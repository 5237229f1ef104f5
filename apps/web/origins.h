// SPDX-License-Identifier: MIT
// Decides which host names the server answers, and which pages may open a WebSocket. If a foreign
// name is made to resolve to this server's address, a browser still sends that name as Host; and it
// sends the origin of a page that opens a WebSocket as Origin. Both are refused unless they are
// allowed.
#ifndef CLAMMA_APPS_WEB_ORIGINS_H_
#define CLAMMA_APPS_WEB_ORIGINS_H_

#include <string>
#include <string_view>
#include <vector>

namespace web {

// The local address of a connection.
struct LocalAddress {
  std::string address;  // numeric, as inet_ntop() writes it
  unsigned port = 0;
  bool loopback = false;
  bool is_unix = false;  // a Unix socket, without address and port
};

class Origins {
 public:
  // Adds an origin such as https://stories.example.org, whose host is then served as well. Returns
  // "" or the reason of a failure.
  std::string Add(std::string_view text);

  // Whether a text is a valid origin, and so can be shown to users as an example. Any other text
  // may contain whatever a visitor sent.
  static bool IsOrigin(std::string_view text);

  // Whether a Host header names this server: by the local address of the connection, by localhost
  // if that is the loopback, or by the host of an added origin.
  bool Serves(std::string_view host, const LocalAddress& local) const;

  // Whether an Origin header is that of a page from `host`, which Serves() has accepted, or an
  // added origin.
  bool Allows(std::string_view text, std::string_view host) const;

 private:
  struct Origin {
    std::string scheme;
    std::string host;  // in lower case; with its port unless that is the scheme's default
  };
  // Returns false if it is not http or https, or if it has more than a scheme and a host.
  static bool Split(std::string_view text, Origin& origin);

  std::vector<Origin> added_;
};

}  // namespace web

#endif  // CLAMMA_APPS_WEB_ORIGINS_H_
