// SPDX-License-Identifier: MIT
// The log for messages that visitors can cause, and which must not fill a disk.
#ifndef CLAMMA_APPS_WEB_LOG_H_
#define CLAMMA_APPS_WEB_LOG_H_

#include <cstdint>
#include <string_view>

#include "json.h"

namespace web {

enum class LogForm : uint8_t {
  kText,  // "PROGRAM: MESSAGE"
  kJson   // an object on a line: time, level, message
};

// The program's name, which must stay valid, and the form of its lines. Call it before there are
// threads.
void SetLog(const char* program, LogForm form = LogForm::kText);

// Writes a line to stderr; drops it if the last line was less than a second ago. Any thread may
// call it.
void Log(std::string_view from, std::string_view message);

// The same, for what a visitor cannot cause: never dropped.
void Report(std::string_view message);

// Writes JSON on a line to stderr. Characters that control a terminal, such as U+009B, are escaped.
void WriteLine(const Json& json);

}  // namespace web

#endif  // CLAMMA_APPS_WEB_LOG_H_
