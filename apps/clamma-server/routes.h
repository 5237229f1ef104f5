// SPDX-License-Identifier: MIT
// What is at which path.
#ifndef CLAMMA_SERVER_ROUTES_H_
#define CLAMMA_SERVER_ROUTES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "openai/service.h"
#include "page.h"

namespace server {

enum class Place : uint8_t {
  kNone,     // nothing
  kService,  // an endpoint of the service
  kHealth,   // /health
  kHealthz,  // /healthz: open to all
  kMetrics,
  kPage  // a file of the page: open to all, as it has no data
};

struct Route {
  Place place = Place::kNone;
  openai::Endpoint endpoint = openai::Endpoint::kModels;
  bool takes_body = false;              // POST; else GET and HEAD
  std::string model;                    // Endpoint::kModel: the name at the path's end
  const web::PageFile* file = nullptr;  // kPage
  const char* name = "other";           // for logs and the labels of metrics

  bool is_open() const { return place == Place::kHealthz || place == Place::kPage; }
  // For Allow.
  const char* methods() const { return takes_body ? "POST, OPTIONS" : "GET, HEAD, OPTIONS"; }
  bool Accepts(std::string_view method) const {
    return takes_body ? method == "POST" : method == "GET" || method == "HEAD";
  }
};

Route FindRoute(std::string_view path);

}  // namespace server

#endif  // CLAMMA_SERVER_ROUTES_H_
