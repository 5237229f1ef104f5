// SPDX-License-Identifier: MIT
// What all connections share. Used on the loop's thread only.
#ifndef CLAMMA_SERVER_SITE_H_
#define CLAMMA_SERVER_SITE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "access.h"
#include "answer.h"
#include "http_parser.h"
#include "metrics.h"
#include "openai/service.h"
#include "request_log.h"

namespace server {

// A request that the service answers.
struct Exchange {
  std::shared_ptr<PendingAnswer> answer;
  std::shared_ptr<openai::Service::Ticket> ticket;
  Key* key = nullptr;
  LogEntry entry;
  Clock::time_point begin;
};

struct Site {
  explicit Site(const RequestLog& request_log) : log(request_log) {}

  Access access;
  Metrics metrics;
  RequestLog log;
  HttpParser::Limits limits;
  size_t max_bodies = size_t{64} << 20;  // bytes of all bodies that are being received
  size_t bodies = 0;                     // of those now
  // Bytes of whole answers that have not been fetched; one answer may have more.
  size_t max_outputs = size_t{256} << 20;
  size_t outputs = 0;  // of those now
  std::shared_ptr<ReadyList> ready;
  openai::Service* service = nullptr;  // nullptr while the models are being loaded
  bool draining = false;

  // Exchanges whose clients have left, until the service has ended them, by connection.
  std::unordered_map<uint64_t, Exchange> left;

  // Counts and logs an exchange that has ended.
  void Finish(Exchange& exchange, const openai::Usage& usage);
  // To be called when the answer of an exchange in `left` has news.
  void FinishLeft(uint64_t connection);
};

}  // namespace server

#endif  // CLAMMA_SERVER_SITE_H_
