// SPDX-License-Identifier: MIT
// Counters for Prometheus: those of HTTP, and those of the service. Used on the loop's thread only.
// No label comes from a client.
#ifndef CLAMMA_SERVER_METRICS_H_
#define CLAMMA_SERVER_METRICS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "openai/service.h"

namespace server {

class Metrics {
 public:
  // `route` is the name of a Route. status 0: the client left before the answer was complete.
  void AddRequest(std::string_view route, int status);
  void AddSlowReader() { ++slow_readers_; }
  void ConnectionOpens() { ++connections_; }
  void ConnectionCloses() { --connections_; }
  void AddRefusedConnection() { ++refused_connections_; }

  // In Prometheus' text format; `counts` is nullptr while the models are being loaded.
  // `bodies`: bytes of bodies that are being received.
  std::string Text(const openai::Service::Counts* counts, uint64_t bodies) const;

 private:
  std::map<std::pair<std::string_view, int>, uint64_t> requests_;  // by route and status / 100
  uint64_t connections_ = 0;
  uint64_t refused_connections_ = 0;
  uint64_t slow_readers_ = 0;
};

}  // namespace server

#endif  // CLAMMA_SERVER_METRICS_H_
