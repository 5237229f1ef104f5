// SPDX-License-Identifier: MIT
// Requests over HTTP by libcurl, and the rules for where they may go.
#ifndef CLAMMA_APPS_CLAMMA_GET_HTTP_H_
#define CLAMMA_APPS_CLAMMA_GET_HTTP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "retries.h"

namespace get {

struct Request {
  std::string url;
  uint64_t offset = 0;   // of the first byte that is wanted
  std::string if_range;  // what `offset` needs to make sense: else all of it comes
};

struct Reply {
  long status = 0;                             // NOLINT(google-runtime-int): libcurl's type
  std::map<std::string, std::string> headers;  // names in lower case
  std::string url;                             // where it came from in the end
  bool framed = false;                         // its end is told apart from a lost connection

  const std::string& Header(const std::string& name) const;
  // The bytes of the whole file; 0: not said.
  uint64_t whole() const;
  // The first byte that a 206 has; UINT64_MAX: not said.
  uint64_t first() const;
};

class Client {
 public:
  struct Rules {
    bool insecure_http = false;  // plain HTTP to other machines as well
    std::string hub;             // the token is for its host alone
    std::string token;
    unsigned tries = 5;  // of Text(), see Retries
    bool quiet = false;  // says nothing of another attempt
  };

  explicit Client(Rules rules);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Follows redirects, each of which must be allowed. `begin` gets the answer before its first
  // byte, whatever its status is; `data` its bytes, if the status is 200 or 206. What these throw
  // is thrown. Throws Interruption, or Failure where another attempt is of no use.
  Reply Get(const Request& request, const std::function<void(const Reply&)>& begin,
            const std::function<void(std::string_view)>& data);

  // The text at an address, of at most 16 MB; a server that is too busy is asked again. Throws
  // Failure for every status but 200.
  std::string Text(const std::string& url, Reply* reply);

 private:
  struct Transfer;

  void Check(const std::string& url, const std::string& redirected_from) const;
  bool MayHaveToken(const std::string& url) const;
  void Perform(const Request& request, Transfer& transfer);
  unsigned RetryAfter() const;

  Rules rules_;
  std::unique_ptr<void, void (*)(void*)> curl_;
};

// Says why a server did not give what `what` is; nothing but that throws.
[[noreturn]] void ThrowStatus(const Reply& reply, const std::string& what, bool has_token);

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_HTTP_H_
