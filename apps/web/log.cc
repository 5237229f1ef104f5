// SPDX-License-Identifier: MIT
#include "log.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <new>
#include <string>

#include "printable.h"

namespace web {
namespace {

struct Form {
  const char* program = "";
  LogForm form = LogForm::kText;
};

Form& CurrentForm() {
  static Form form;
  return form;
}

std::string TimeNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&now, &utc);
  char text[32];
  const size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text, size};
}

// The text without what controls a terminal.
std::string Shown(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t size = DecodeUtf8(text, &code);
    if (size == 0 || IsHarmful(code)) {
      shown += '?';
    } else {
      shown += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return shown;
}

void Write(std::string_view from, std::string_view message) {
  while (message.ends_with('\n')) message.remove_suffix(1);
  if (CurrentForm().form == LogForm::kJson) {
    const std::string text = std::string(from) + std::string(message);
    const Json line = Json::Object({{"time", TimeNow()}, {"level", "warning"}, {"message", text}});
    WriteLine(line);
    return;
  }
  std::fprintf(stderr, "%s: %s%s\n", CurrentForm().program, Shown(from).c_str(),
               Shown(message).c_str());
}

}  // namespace

void WriteLine(const Json& json) {
  std::string line;
  const std::string text = json.Text();
  for (std::string_view rest = text; !rest.empty();) {
    uint32_t code = 0;
    const size_t size = std::max<size_t>(DecodeUtf8(rest, &code), 1);
    if (code > 0x7e && IsHarmful(code)) {  // within a string: JSON itself is ASCII
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", static_cast<unsigned>(code & 0xffff));
      line += escaped;
    } else {
      line += rest.substr(0, size);
    }
    rest.remove_prefix(size);
  }
  std::fprintf(stderr, "%s\n", line.c_str());
}

void SetLog(const char* program, LogForm form) { CurrentForm() = {program, form}; }

void Log(std::string_view from, std::string_view message) {
  using Clock = std::chrono::steady_clock;
  static std::mutex mutex;
  static Clock::time_point next;
  const std::lock_guard lock(mutex);
  const Clock::time_point now = Clock::now();
  if (now < next) return;
  next = now + std::chrono::seconds(1);
  try {
    Write(from, message);
  } catch (const std::bad_alloc&) {
    return;  // callers report that memory is short, and cannot handle that, too
  }
}

void Report(std::string_view message) { Write("", message); }

}  // namespace web
