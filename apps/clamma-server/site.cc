// SPDX-License-Identifier: MIT
#include "site.h"

namespace server {

void Site::Finish(Exchange& exchange, const openai::Usage& usage) {
  LogEntry& entry = exchange.entry;
  const Clock::time_point now = Clock::now();
  entry.seconds = std::chrono::duration<double>(now - exchange.begin).count();
  if (exchange.answer != nullptr) {
    entry.has_usage = true;
    entry.usage = usage;
    if (exchange.key != nullptr) {
      exchange.key->tokens().Take(usage.prompt_tokens + usage.completion_tokens, now);
    }
  }
  metrics.AddRequest(entry.route, entry.left ? 0 : entry.status);
  log.Write(entry);
}

void Site::FinishLeft(uint64_t connection) {
  const auto found = left.find(connection);
  if (found == left.end()) return;
  const PendingAnswer::News news = found->second.answer->Take(0);
  if (!news.has_ended) return;
  Exchange ended = std::move(found->second);
  left.erase(found);
  Finish(ended, news.usage);
}

}  // namespace server
