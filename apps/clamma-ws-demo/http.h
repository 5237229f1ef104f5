// SPDX-License-Identifier: MIT
// The replies to HTTP requests: the page's files, /healthz and /metrics, and refusals.
#ifndef CLAMMA_WS_DEMO_HTTP_H_
#define CLAMMA_WS_DEMO_HTTP_H_

#include <libwebsockets.h>

#include <string>
#include <string_view>

#include "generation.h"
#include "metrics.h"

namespace demo {

constexpr unsigned kUpgradeRequired = 426;  // has a header with the supported WebSocket version

struct Reply {
  unsigned status = HTTP_STATUS_OK;
  std::string type = "text/plain; charset=utf-8";
  std::string cache = "no-store";
  std::string body;
};

// The headers of every reply that restrict what a browser may do with it.
const lws_protocol_vhost_options* SecurityHeaders();

Reply Refusal(unsigned status, std::string_view reason);

// The reply to a GET or HEAD of a path. The page depends on the mode.
Reply Find(std::string_view path, Mode mode, const Metrics& metrics, bool draining);

// Sends the head of a reply; with HEAD no body follows. Returns false if the connection is lost.
bool SendHead(lws* wsi, const Reply& reply, bool body_follows);
bool SendBody(lws* wsi, const Reply& reply);

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_HTTP_H_
