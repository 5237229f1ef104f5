// SPDX-License-Identifier: MIT
// A build without standard error: without a log_cb, messages are lost.
#include "platform/log.h"

namespace clamma {

void WriteToStandardError(const char* /*message*/) {}

}  // namespace clamma
