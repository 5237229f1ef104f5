// SPDX-License-Identifier: MIT
#include "request_log.h"

#include <cmath>
#include <cstdio>
#include <ctime>

#include "json.h"
#include "log.h"
#include "printable.h"

namespace server {
namespace {

std::string TimeNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&now, &utc);
  char text[32];
  const size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text, size};
}

uint64_t Milliseconds(double seconds) {
  return static_cast<uint64_t>(std::llround(std::max(seconds, 0.0) * 1000));
}

// A method is a word of the client's.
const char* MethodOf(const std::string& method) {
  for (const char* known : {"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"}) {
    if (method == known) return known;
  }
  return "other";
}

std::string AsText(const LogEntry& entry) {
  std::string line = TimeNow() + " " + entry.id + " " + MethodOf(entry.method) + " " + entry.route;
  line += " " + std::to_string(entry.status) + (entry.left ? " left " : " ");
  line += std::to_string(Milliseconds(entry.seconds)) + " ms";
  if (entry.key != 0) line += ", key " + std::to_string(entry.key);
  if (entry.has_usage) {
    line += ", tokens " + std::to_string(entry.usage.prompt_tokens) + " (" +
            std::to_string(entry.usage.cached_tokens) + " cached) + " +
            std::to_string(entry.usage.completion_tokens);
  }
  return line;
}

Json AsJson(const LogEntry& entry) {
  Json line = Json::Object({{"time", TimeNow()},
                            {"level", "info"},
                            {"id", entry.id},
                            {"method", MethodOf(entry.method)},
                            {"path", entry.route},
                            {"status", static_cast<unsigned>(entry.status)},
                            {"left", entry.left},
                            {"ms", Milliseconds(entry.seconds)}});
  if (entry.key != 0) line.Set("key", uint64_t{entry.key});
  if (entry.has_usage) {
    line.Set("prompt_tokens", uint64_t{entry.usage.prompt_tokens});
    line.Set("cached_tokens", uint64_t{entry.usage.cached_tokens});
    line.Set("completion_tokens", uint64_t{entry.usage.completion_tokens});
  }
  return line;
}

}  // namespace

void RequestLog::Write(const LogEntry& entry) const {
  if (form_ == Form::kJson) {
    Json line = AsJson(entry);
    if (with_contents_) {
      line.Set("request", entry.request);
      line.Set("answer", entry.answer);
    }
    web::WriteLine(line);
  } else if (form_ == Form::kText) {
    std::string line = AsText(entry);
    if (with_contents_) {
      line += "\n  request: " + Printable(entry.request) + "\n  answer: " + Printable(entry.answer);
    }
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

}  // namespace server
