// SPDX-License-Identifier: MIT
// A line for each request, without its contents unless they are asked for.
#ifndef CLAMMA_SERVER_REQUEST_LOG_H_
#define CLAMMA_SERVER_REQUEST_LOG_H_

#include <cstddef>
#include <string>

#include "openai/service.h"

namespace server {

struct LogEntry {
  std::string id;  // X-Request-Id
  std::string method;
  const char* route = "other";
  int status = 0;     // 0: the client left before the answer began
  bool left = false;  // the client left before the answer was complete
  double seconds = 0;
  size_t key = 0;  // its number; 0: none
  bool has_usage = false;
  openai::Usage usage;
  std::string request, answer;  // contents; kept only if they are logged
};

class RequestLog {
 public:
  enum class Form : uint8_t { kOff, kText, kJson };

  RequestLog(Form form, bool with_contents) : form_(form), with_contents_(with_contents) {}

  bool with_contents() const { return with_contents_ && form_ != Form::kOff; }
  void Write(const LogEntry& entry) const;  // to stderr

 private:
  Form form_;
  bool with_contents_;
};

}  // namespace server

#endif  // CLAMMA_SERVER_REQUEST_LOG_H_
