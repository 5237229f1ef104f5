// SPDX-License-Identifier: MIT
// Who may ask: the rules of Host, Origin, CORS, keys and media types, which are checked when the
// head of a request is there, before its body is read.
#ifndef CLAMMA_SERVER_ACCESS_H_
#define CLAMMA_SERVER_ACCESS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http_parser.h"
#include "http_reply.h"
#include "keys.h"
#include "origins.h"
#include "routes.h"

namespace server {

class Access {
 public:
  // Each returns "" or the reason of a failure.
  std::string AddOrigin(const std::string& origin);  // --allow-origin
  std::string AddCors(const std::string& origin);    // --cors; "*" is any

  KeyRing& keys() { return keys_; }
  bool cors_is_open() const { return any_origin_; }

  // Checks a request that came from a connection with this local end. Returns a refusal, or no
  // value; sets *key to that of the request, nullptr if none is needed. A preflight is answered,
  // too.
  std::optional<Reply> Check(const HttpRequest& request, const Route& route,
                             const web::LocalAddress& local, Key** key);

  // The headers that let the page of another origin read a reply; none if it is not of --cors.
  std::vector<Header> CorsHeaders(const HttpRequest& request) const;

 private:
  bool IsCors(std::string_view origin) const;
  std::optional<Reply> CheckNames(const HttpRequest& request, const web::LocalAddress& local) const;
  std::optional<Reply> CheckKey(const HttpRequest& request, Key** key);
  Reply Preflight(const HttpRequest& request, const Route& route) const;

  web::Origins origins_;
  std::vector<std::string> cors_;
  bool any_origin_ = false;
  KeyRing keys_;
};

}  // namespace server

#endif  // CLAMMA_SERVER_ACCESS_H_
