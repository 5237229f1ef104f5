// SPDX-License-Identifier: MIT
// HTTP requests with libcurl, and the rules for the addresses that they may use.
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
  uint64_t offset = 0;   // of the first requested byte
  std::string if_range;  // validator for `offset`: if the file differs, the server sends all of it
};

struct Reply {
  long status = 0;                             // NOLINT(google-runtime-int): libcurl's type
  std::map<std::string, std::string> headers;  // names in lower case
  std::string url;                             // after redirects
  bool framed = false;                         // its end differs from a lost connection

  const std::string& Header(const std::string& name) const;
  // The bytes of the whole file; 0: unknown.
  uint64_t whole() const;
  // The offset of the first byte of a 206 reply; UINT64_MAX: unknown.
  uint64_t first() const;
};

class Client {
 public:
  struct Rules {
    bool insecure_http = false;  // also allow plain HTTP to other machines
    std::string hub;             // the token is sent only to its host
    std::string token;
    unsigned tries = 5;  // of Text(), see Retries
    bool quiet = false;  // do not report further attempts
  };

  explicit Client(Rules rules);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Follows redirects, each of which must be allowed. Calls `begin` with the reply before its first
  // byte, for any status, and `data` with its bytes if the status is 200 or 206. Rethrows their
  // exceptions. Throws Interruption, or Failure if another attempt would be useless.
  Reply Get(const Request& request, const std::function<void(const Reply&)>& begin,
            const std::function<void(std::string_view)>& data);

  // Returns the text at an address, at most 16 MB. Retries if the server is too busy. Throws
  // Failure for every status except 200.
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

// Throws Failure with the reason why the server did not send `what`.
[[noreturn]] void ThrowStatus(const Reply& reply, const std::string& what, bool has_token);

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_HTTP_H_
