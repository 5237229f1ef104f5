// SPDX-License-Identifier: MIT
// Which names the server answers to, and which pages may open a socket. A browser that was talked
// into looking up a foreign name at our address still sends that name as Host, and any page that
// opens a socket is named in Origin: both are refused unless they are ours.
#ifndef CLAMMA_WS_DEMO_ORIGINS_H_
#define CLAMMA_WS_DEMO_ORIGINS_H_

#include <string>
#include <string_view>
#include <vector>

namespace demo {

// Where a connection came in.
struct LocalAddress {
  std::string address;  // numeric, as inet_ntop() writes it
  unsigned port = 0;
  bool loopback = false;
};

class Origins {
 public:
  // Adds an origin such as https://stories.example.org, whose host is served from then on. Returns
  // "", or what is wrong with it.
  std::string Add(std::string_view text);

  // Whether a text could be added, so that it can be shown to users as an example. Any other may
  // hold whatever a visitor sent.
  static bool IsOrigin(std::string_view text);

  // Whether a Host header names us: the address the connection came in at, localhost if that is the
  // loopback, or the host of an origin that was added.
  bool Serves(std::string_view host, const LocalAddress& local) const;

  // Whether an Origin header is that of a page from `host`, which Serves(), or was added.
  bool Allows(std::string_view text, std::string_view host) const;

 private:
  struct Origin {
    std::string scheme;
    std::string host;  // in lower case; with its port unless that is the scheme's own
  };
  // False if it is not http or https, or has more than a scheme and a host.
  static bool Split(std::string_view text, Origin& origin);

  std::vector<Origin> added_;
};

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_ORIGINS_H_
