// SPDX-License-Identifier: MIT
// The log for messages that visitors can cause, and which must not fill a disk.
#ifndef CLAMMA_WS_DEMO_LOG_H_
#define CLAMMA_WS_DEMO_LOG_H_

#include <string_view>

namespace demo {

// Writes a line to stderr; drops it if the last line was less than a second ago. Any thread may
// call it.
void Log(std::string_view from, std::string_view message);

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_LOG_H_
