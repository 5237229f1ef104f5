// SPDX-License-Identifier: MIT
#include "http.h"

#include <algorithm>
#include <array>
#include <vector>

#include "page.h"
#include "prometheus.h"

namespace demo {
namespace {

using HeaderOptions = std::array<lws_protocol_vhost_options, web::kSecurityHeaders.size()>;

// A linked list for libwebsockets, whose names end with a colon.
struct SecurityOptions {
  std::array<std::string, web::kSecurityHeaders.size()> names;
  HeaderOptions list = {};

  SecurityOptions() {
    for (size_t i = 0; i < list.size(); ++i) {
      names[i] = std::string(web::kSecurityHeaders[i].name) + ":";
      list[i] = {i + 1 < list.size() ? &list[i + 1] : nullptr, nullptr, names[i].c_str(),
                 web::kSecurityHeaders[i].value};
    }
  }
};

// Adds a header with libwebsockets' functions. The name and the value must not contain a NUL.
bool AddHeader(lws* wsi, const char* name, const std::string& value, unsigned char** at,
               unsigned char* end) {
  return lws_add_http_header_by_name(wsi, reinterpret_cast<const unsigned char*>(name),
                                     reinterpret_cast<const unsigned char*>(value.data()),
                                     static_cast<int>(value.size()), at, end) == 0;
}

}  // namespace

const lws_protocol_vhost_options* SecurityHeaders() {
  static const SecurityOptions options;
  return options.list.data();
}

Reply Refusal(unsigned status, std::string_view reason) {
  Reply reply;
  reply.status = status;
  reply.body = std::string(reason) + "\n";
  return reply;
}

Reply Find(std::string_view path, Mode mode, const Metrics& metrics, bool draining) {
  Reply reply;
  if (path == "/healthz") {
    if (draining) return Refusal(HTTP_STATUS_SERVICE_UNAVAILABLE, "draining");
    reply.body = "ok\n";
    return reply;
  }
  if (path == "/metrics") {
    reply.type = web::kMetricsType;
    reply.body = metrics.Text();
    return reply;
  }
  const std::string_view page = mode == Mode::kChat ? "chat.html" : "index.html";
  const std::string_view name = path == "/" ? page : path.substr(path.empty() ? 0 : 1);
  for (const web::PageFile& file : web::PageFiles()) {
    if (file.name != name || (name.ends_with(".html") && name != page)) continue;
    reply.type = web::ContentType(name);
    reply.cache = "no-cache";
    reply.body.assign(file.bytes.begin(), file.bytes.end());
    return reply;
  }
  return Refusal(HTTP_STATUS_NOT_FOUND, "there is nothing at this address");
}

bool SendHead(lws* wsi, const Reply& reply, bool body_follows) {
  std::array<unsigned char, LWS_PRE + 2048> buffer = {};
  unsigned char* const start = buffer.data() + LWS_PRE;
  unsigned char* const end = buffer.data() + buffer.size() - 1;
  unsigned char* at = start;
  if (lws_add_http_common_headers(wsi, reply.status, reply.type.c_str(), reply.body.size(), &at,
                                  end) != 0 ||
      !AddHeader(wsi, "cache-control:", reply.cache, &at, end) ||
      (reply.status == HTTP_STATUS_METHOD_NOT_ALLOWED &&
       !AddHeader(wsi, "allow:", "GET, HEAD", &at, end)) ||
      (reply.status == kUpgradeRequired &&
       !AddHeader(wsi, "sec-websocket-version:", "13", &at, end)) ||
      lws_finalize_http_header(wsi, &at, end) != 0) {
    return false;
  }
  const lws_write_protocol how =
      body_follows ? LWS_WRITE_HTTP_HEADERS
                   : static_cast<lws_write_protocol>(static_cast<int>(LWS_WRITE_HTTP_HEADERS) |
                                                     static_cast<int>(LWS_WRITE_H2_STREAM_END));
  const auto size = static_cast<size_t>(at - start);
  return lws_write(wsi, start, size, how) >= static_cast<int>(size);
}

bool SendBody(lws* wsi, const Reply& reply) {
  std::vector<unsigned char> buffer(LWS_PRE + reply.body.size());
  std::copy(reply.body.begin(), reply.body.end(), buffer.begin() + LWS_PRE);
  return lws_write(wsi, buffer.data() + LWS_PRE, reply.body.size(), LWS_WRITE_HTTP_FINAL) >=
         static_cast<int>(reply.body.size());
}

}  // namespace demo
