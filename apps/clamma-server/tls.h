// SPDX-License-Identifier: MIT
// The certificate: libwebsockets holds the connections, this holds what they present.
#ifndef CLAMMA_SERVER_TLS_H_
#define CLAMMA_SERVER_TLS_H_

#include <string>
#include <utility>

struct ssl_ctx_st;

namespace server {

class Certificate {
 public:
  // The certificate with those that vouch for it, and its key, in PEM files; "": no TLS.
  Certificate(std::string chain, std::string key)
      : chain_(std::move(chain)), key_(std::move(key)) {}

  bool is_wanted() const { return !chain_.empty(); }

  // Whether the files can be used. Returns "" or the reason why not.
  std::string Check() const;

  // Sets up a context for connections: TLS 1.2 or later, with the certificate. Returns "" or the
  // reason of a failure.
  std::string SetUp(ssl_ctx_st* context);

  // Reads the files anew, for connections from now on. On failure the old certificate stays.
  // Returns "" or the reason.
  std::string Reload();

 private:
  std::string LoadInto(ssl_ctx_st* context) const;

  const std::string chain_, key_;
  ssl_ctx_st* context_ = nullptr;
};

}  // namespace server

#endif  // CLAMMA_SERVER_TLS_H_
