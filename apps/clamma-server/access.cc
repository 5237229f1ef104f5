// SPDX-License-Identifier: MIT
#include "access.h"

#include <algorithm>

#include "log.h"

namespace server {
namespace {

constexpr size_t kMaxRequestedHeaders = 1024;  // bytes of Access-Control-Request-Headers
constexpr const char* kExposed = "x-request-id, x-clamma-loosened, retry-after";

// A refusal that a command-line option avoids. It is also logged, so that the operator sees it.
Reply NotAllowed(std::string_view reason, const std::string& origin) {
  std::string text(reason);
  text += ". Start clamma-server with --allow-origin ";
  text += web::Origins::IsOrigin(origin) ? origin + " if that is yours"
                                         : "ORIGIN to serve further names";
  web::Log("refused: ", text);
  return ErrorReply(403, "permission_error", text);
}

// Whether a list of header names, of which a client asks to be allowed to send them, is one.
bool IsNameList(std::string_view list) {
  if (list.size() > kMaxRequestedHeaders) return false;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, comma);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!IsToken(name)) return false;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return true;
}

// Whether a media type is application/json, which a page cannot send to another origin without a
// preflight.
bool IsJson(std::string_view type) {
  std::string_view name = type.substr(0, std::min(type.find(';'), type.size()));
  while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
  return LowerCase(name) == kJsonType;
}

std::optional<Reply> CheckMethod(const HttpRequest& request, const Route& route) {
  if (route.place == Place::kNone) {
    return ErrorReply(404, "invalid_request_error", "there is nothing at this address",
                      "unknown_url");
  }
  if (!route.Accepts(request.method)) {
    const std::string reason = std::string("only ") + (route.takes_body ? "POST" : "GET and HEAD") +
                               (route.takes_body ? " is" : " are") + " answered at this address";
    return ErrorReply(405, "invalid_request_error", reason).With("allow", route.methods());
  }
  return std::nullopt;
}

std::optional<Reply> CheckBody(const HttpRequest& request, const Route& route) {
  if (!route.takes_body) return std::nullopt;
  if (!request.has_body) {
    return ErrorReply(411, "invalid_request_error",
                      "the request has no body: neither Content-Length nor Transfer-Encoding");
  }
  const std::string* type = request.Find("content-type");
  if (type == nullptr || !IsJson(*type)) {
    return ErrorReply(415, "invalid_request_error", "the body must be application/json");
  }
  const std::string* coding = request.Find("content-encoding");
  if (coding != nullptr && LowerCase(*coding) != "identity") {
    return ErrorReply(415, "invalid_request_error", "the body must not be compressed")
        .With("accept-encoding", "identity");
  }
  return std::nullopt;
}

}  // namespace

std::string Access::AddOrigin(const std::string& origin) { return origins_.Add(origin); }

std::string Access::AddCors(const std::string& origin) {
  if (origin == "*") {
    any_origin_ = true;
    return "";
  }
  if (!web::Origins::IsOrigin(origin)) {
    return origin + " is not an origin such as https://chat.example.org";
  }
  cors_.push_back(LowerCase(origin));
  return "";
}

bool Access::IsCors(std::string_view origin) const {
  return any_origin_ || std::find(cors_.begin(), cors_.end(), origin) != cors_.end();
}

std::optional<Reply> Access::Check(const HttpRequest& request, const Route& route,
                                   const web::LocalAddress& local, Key** key) {
  *key = nullptr;
  if (std::optional<Reply> refusal = CheckNames(request, local)) return refusal;
  if (request.method == "OPTIONS") return Preflight(request, route);
  if (!route.is_open() && !keys_.empty()) {
    if (std::optional<Reply> refusal = CheckKey(request, key)) return refusal;
  }
  if (std::optional<Reply> refusal = CheckMethod(request, route)) return refusal;
  return CheckBody(request, route);
}

// If a foreign name is made to resolve to this machine, a browser still sends that name as Host;
// and it sends the origin of the page that asks. Browsers cannot open a Unix socket, and what
// forwards to one has checked the Host.
std::optional<Reply> Access::CheckNames(const HttpRequest& request,
                                        const web::LocalAddress& local) const {
  const std::string* found = request.Find("host");
  const std::string host = found == nullptr ? "" : *found;
  if (!local.is_unix && !host.empty() && !origins_.Serves(host, local)) {
    return NotAllowed("This server does not know the name in the request's Host", "http://" + host);
  }
  if (!local.is_unix && host.empty() && !request.is_http10) {
    return ErrorReply(400, "invalid_request_error", "the request's Host is empty");
  }
  const std::string* origin = request.Find("origin");
  if (origin == nullptr || origins_.Allows(*origin, host) || IsCors(*origin)) return std::nullopt;
  return NotAllowed("This server does not answer pages from that Origin (see also --cors)",
                    *origin);
}

std::optional<Reply> Access::CheckKey(const HttpRequest& request, Key** key) {
  const std::string* authorization = request.Find("authorization");
  *key = keys_.Find(authorization == nullptr ? "" : *authorization);
  if (*key == nullptr) {
    return ErrorReply(401, "authentication_error",
                      authorization == nullptr ? "an API key is needed: Authorization: Bearer KEY"
                                               : "the API key is not one of this server's",
                      "invalid_api_key")
        .With("www-authenticate", "Bearer");
  }
  const Clock::time_point now = Clock::now();
  if (const unsigned wait = (*key)->requests().SecondsToWait(now); wait > 0) {
    return LaterReply(429, "requests", "the key has used up its requests for this minute", wait,
                      "rate_limit_exceeded");
  }
  if (const unsigned wait = (*key)->tokens().SecondsToWait(now); wait > 0) {
    return LaterReply(429, "tokens", "the key has used up its tokens for this minute", wait,
                      "rate_limit_exceeded");
  }
  (*key)->requests().Take(1, now);
  return std::nullopt;
}

std::vector<Header> Access::CorsHeaders(const HttpRequest& request) const {
  const std::string* origin = request.Find("origin");
  if (origin == nullptr || !IsCors(*origin)) return {};
  if (any_origin_) {
    return {{"access-control-allow-origin", "*"}, {"access-control-expose-headers", kExposed}};
  }
  return {{"access-control-allow-origin", *origin},
          {"access-control-expose-headers", kExposed},
          {"vary", "origin"}};
}

Reply Access::Preflight(const HttpRequest& request, const Route& route) const {
  Reply reply;
  reply.status = 204;
  reply.type.clear();
  reply.With("allow", route.methods());
  if (CorsHeaders(request).empty()) return reply;
  reply.With("access-control-allow-methods", route.takes_body ? "POST" : "GET, HEAD");
  const std::string* wanted = request.Find("access-control-request-headers");
  if (wanted != nullptr && IsNameList(*wanted)) {
    reply.With("access-control-allow-headers", *wanted);
  }
  return reply.With("access-control-max-age", "600");
}

}  // namespace server
