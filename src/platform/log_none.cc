// SPDX-License-Identifier: MIT
// A build without standard error: who gives no log_cb hears nothing.
#include "platform/log.h"

namespace clamma {

void WriteToStandardError(const char* /*message*/) {}

}  // namespace clamma
