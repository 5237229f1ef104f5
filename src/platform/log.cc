// SPDX-License-Identifier: MIT
#include "platform/log.h"

#include <cstdio>

namespace clamma {

void Log::Write(const char* message) const {
  if (callback != nullptr) {
    callback(opaque, message);
  } else {
    std::fprintf(stderr, "clamma: %s\n", message);
  }
}

}  // namespace clamma
