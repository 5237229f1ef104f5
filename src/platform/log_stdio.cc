// SPDX-License-Identifier: MIT
#include <cstdio>

#include "platform/log.h"

namespace clamma {

void WriteToStandardError(const char* message) { std::fprintf(stderr, "clamma: %s\n", message); }

}  // namespace clamma
