// SPDX-License-Identifier: MIT
// Messages that visitors can cause: they must not fill a disk.
#ifndef CLAMMA_WS_DEMO_LOG_H_
#define CLAMMA_WS_DEMO_LOG_H_

#include <string_view>

namespace demo {

// Writes a line to stderr; drops it if the last one is less than a second ago. From any thread.
void Log(std::string_view from, std::string_view message);

}  // namespace demo

#endif  // CLAMMA_WS_DEMO_LOG_H_
